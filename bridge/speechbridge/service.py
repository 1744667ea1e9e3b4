"""The components that the routes use, assembled from the settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from aiohttp import web

from speechbridge import model_list
from speechbridge.admission.api_keys import ApiKeys
from speechbridge.admission.queue import Admission
from speechbridge.admission.retry_after import RETRY_AFTER_MEMORY_FULL_S, RETRY_AFTER_SPOOL_FULL_S, Backlog
from speechbridge.audio.durations import Durations
from speechbridge.credentials import Credentials, header_lines
from speechbridge.deadline import TimeLimits
from speechbridge.generators.catalog import ModelCatalog, ask_for_models
from speechbridge.generators.models_file import ModelsFile
from speechbridge.generators.ollama import Ollama
from speechbridge.generators.openai_chat import OpenAIChat
from speechbridge.generators.options import think_of
from speechbridge.generators.warmth import until_warm
from speechbridge.intake.body import Pace
from speechbridge.intake.budget import Budgets, ByteBudget
from speechbridge.intake.form import FormLimits
from speechbridge.intake.upload import UploadRules
from speechbridge.model_list import ModelList, Models
from speechbridge.readiness import Readiness
from speechbridge.stages.conversation import Conversation
from speechbridge.stages.demand import Demand
from speechbridge.stages.generate import Generation
from speechbridge.stages.hold import Hold
from speechbridge.stages.load import Load
from speechbridge.stages.prefill import Prefill
from speechbridge.stages.transcribe import Transcription
from speechbridge.telemetry.metrics import Metrics
from speechbridge.transcribers.asr_webservice import AsrWebservice
from speechbridge.transcribers.openai_audio import OpenAIAudio
from speechbridge.upstreams.pods import PoolOptions
from speechbridge.upstreams.pool import Pool

if TYPE_CHECKING:
    from speechbridge.generators.port import Generator
    from speechbridge.settings import Settings
    from speechbridge.telemetry.spans import Tracing
    from speechbridge.transcribers.port import Transcriber


@dataclass(frozen=True)
class Service:
    """The components of a bridge; `tracing` is None where requests are not traced."""

    settings: Settings
    metrics: Metrics
    tracing: Tracing | None
    keys: ApiKeys
    admission: Admission
    backlog: Backlog
    durations: Durations
    time_limits: TimeLimits
    whisper: Pool
    llm: Pool
    transcription: Transcription
    generation: Generation
    conversation: Conversation
    catalog: ModelCatalog
    models_file: ModelsFile | None
    readiness: Readiness
    load: Load
    pace: Pace
    upload_rules: UploadRules
    budgets: Budgets


SERVICE = web.AppKey("service", Service)


def assemble(settings: Settings, tracing: Tracing | None = None) -> Service:
    """Assemble the components; nothing is started or connected yet."""
    clock = monotonic  # uvloop's clock has a resolution of 1 ms
    models = Models(_models(settings))
    transcriber, generator = _transcriber(settings), _generator(settings, models)
    whisper = Pool(settings.whisper_url, _whisper_options(settings))
    llm = Pool(settings.generator_url, _llm_options(settings, models))
    metrics, durations = Metrics(settings.generator), Durations(settings.max_audio_seconds)
    backlog = Backlog(lambda: whisper.speeds, clock)

    def retry_after(queued: int) -> int:
        return backlog.retry_after(queued, whisper.slots)

    def retry_after_now() -> int:
        return retry_after(admission.queued)

    prefill = Prefill(generator, llm, clock)
    readiness = Readiness(transcriber, whisper, generator, llm, models, clock)
    limit = settings.max_held_requests
    to_transcribe = Demand(clock, lambda: whisper.reachable, lambda: backlog.mean_audio)
    to_generate = Demand(clock, lambda: llm.reachable)
    hold_whisper = Hold(
        "transcribe", whisper, to_transcribe, metrics, limit, "transcriber_unavailable", readiness.loading
    )
    hold_llm = Hold("generate", llm, to_generate, metrics, limit, "generator_unavailable", readiness.loading)
    transcription = Transcription(
        transcriber, whisper, to_transcribe, hold_whisper, metrics, backlog, durations, retry_after_now, clock
    )
    generation = Generation(generator, llm, to_generate, hold_llm, prefill, metrics, retry_after_now, clock)

    async def discover() -> tuple[str, ...]:
        names = await ask_for_models(generator, llm)
        metrics.know_models(names)
        return names

    def adopted(found: ModelList) -> None:
        metrics.know_models(found.names)
        load.models_changed()

    sent = (lambda: whisper.pods.outstanding, lambda: llm.pods.outstanding)
    load = Load(to_transcribe, to_generate, backlog, models, sent)
    models_file = ModelsFile(settings.models_file, models, adopted) if settings.models_file else None
    metrics.know_models(models.current.names)
    catalog = ModelCatalog(models, discover, clock, {"whisper-1", settings.whisper_model})
    admission = Admission(settings.max_concurrent_requests, settings.max_queued_requests, retry_after)
    budgets = Budgets(
        memory=ByteBudget(
            settings.memory_budget_bytes, "The memory for requests", retry_after=RETRY_AFTER_MEMORY_FULL_S
        ),
        disk=ByteBudget(settings.max_spool_bytes, "The disk space for uploads", retry_after=RETRY_AFTER_SPOOL_FULL_S),
    )
    metrics.set_function(metrics.uploads, lambda: admission.arriving)
    metrics.set_function(metrics.buffered, lambda: budgets.memory.used, "memory")
    metrics.set_function(metrics.buffered, lambda: budgets.disk.used, "disk")
    metrics.set_function(metrics.queue_depth, lambda: admission.queued, "admission")
    metrics.set_function(metrics.queue_depth, lambda: whisper.waiting, "whisper")
    for stage, demand in (("transcribe", to_transcribe), ("generate", to_generate)):
        metrics.set_function(metrics.held, lambda demand=demand: demand.held_now, stage)  # type: ignore[misc]
        metrics.set_function(metrics.oldest_wait, lambda demand=demand: demand.load().oldest_wait_seconds, stage)  # type: ignore[misc]
    # Sums of floats are inexact: rounded, an empty backlog is 0.
    metrics.set_function(metrics.audio_waiting, lambda: round(max(0.0, backlog.pending(admission.queued)), 3))
    metrics.set_function(metrics.realtime_factor, lambda: backlog.pace)
    metrics.set_function(metrics.pods, lambda: len(whisper.endpoints), "whisper")
    metrics.set_function(metrics.pods, lambda: len(llm.endpoints), "llm")
    return Service(
        settings=settings,
        metrics=metrics,
        tracing=tracing,
        keys=ApiKeys(settings.api_keys_dir, clock),
        admission=admission,
        backlog=backlog,
        durations=durations,
        time_limits=TimeLimits(settings.request_timeout, settings.request_timeout_per_audio_second),
        whisper=whisper,
        llm=llm,
        transcription=transcription,
        generation=generation,
        conversation=Conversation(transcription, generation, catalog, prefill if settings.prompt_prefill else None),
        catalog=catalog,
        models_file=models_file,
        readiness=readiness,
        load=load,
        pace=Pace(settings.upload_min_rate, settings.upload_stall_timeout),
        upload_rules=_upload_rules(settings),
        budgets=budgets,
    )


def _transcriber(settings: Settings) -> Transcriber:
    return AsrWebservice() if settings.transcriber == "asr-webservice" else OpenAIAudio(settings.whisper_model)


def _models(settings: Settings) -> ModelList:
    if settings.models_file:
        return model_list.read(Path(settings.models_file))
    return ModelList(settings.models, settings.model_options)


def _generator(settings: Settings, models: Models) -> Generator:
    think = think_of(settings.think)
    if settings.generator == "openai":
        return OpenAIChat(think)
    return Ollama(models, settings.context_length, settings.keep_alive, think)


def _whisper_options(settings: Settings) -> PoolOptions:
    headers = header_lines(settings.whisper_api_key.get_secret_value(), settings.whisper_headers.get_secret_value())
    options = _pool_options(settings, settings.whisper_slots, Credentials(headers, settings.whisper_ca_file))
    follow = settings.transcriber == "openai"  # asr-webservice answers nothing during a job
    return replace(options, follow_load=follow)


def _llm_options(settings: Settings, models: Models) -> PoolOptions:
    headers = header_lines(settings.llm_api_key.get_secret_value(), settings.llm_headers.get_secret_value())
    options = _pool_options(settings, None, Credentials(headers, settings.llm_ca_file))
    if settings.generator != "ollama":
        return options
    return replace(options, until_warm=lambda endpoint: until_warm(endpoint, models, settings.keep_alive))


def _pool_options(settings: Settings, slots: int | None, credentials: Credentials) -> PoolOptions:
    return PoolOptions(
        slots=slots,
        credentials=credentials,
        dns_refresh=settings.dns_refresh_interval,
        connect_timeout=settings.connect_timeout,
        keepalive_timeout=settings.keepalive_timeout,
    )


def _upload_rules(settings: Settings) -> UploadRules:
    return UploadRules(
        limits=FormLimits(settings.max_upload_bytes, settings.max_field_bytes),
        start_bytes=settings.stream_start_bytes,
        min_stream_rate=settings.stream_min_rate,
        slot_idle_timeout=settings.slot_idle_timeout,
        retry_buffer=settings.retry_buffer_bytes,
    )
