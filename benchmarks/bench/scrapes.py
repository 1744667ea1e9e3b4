"""CPU of a scrape: how long each program takes to write its metrics, with the labels that they have in use."""

from __future__ import annotations

from itertools import product
from statistics import median
from time import process_time
from typing import TYPE_CHECKING, NamedTuple, get_args

from prometheus_client import disable_created_metrics

from bench.report import Figure, Goal, Section
from speechbridge.telemetry.metrics import REQUEST_OUTCOMES, STAGE_OUTCOMES
from speechbridge.telemetry.metrics import Metrics as BridgeMetrics
from speechbridge.upstreams.failures import FailureKind
from speechoperator.api.kinds import WATCHED
from speechoperator.api.status import CONDITION_TYPES
from speechoperator.errors import CODES
from speechoperator.kube.fenced_client import Why
from speechoperator.report.pipeline_metrics import PipelineMetrics
from speechoperator.telemetry.metrics import Metrics as OperatorMetrics
from speechoperator.watch.store import Store
from speechwhisper.admission.load import Load
from speechwhisper.errors import PROBLEMS
from speechwhisper.recognition.judging import Doubt
from speechwhisper.telemetry.metrics import Metrics as WhisperMetrics
from speechwhisper.telemetry.metrics import exemplar

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_MS = 5.0
SCRAPES = 20  # in a row
MODELS = ("llama3.2:3b", "qwen3:8b")
PIPELINES = 10
TRACE = "0af7651916cd43dd8448eb211c80319c"
BRIDGE_ROUTES = (
    *("/process", "/v1/audio/transcriptions", "/v1/audio/translations", "/v1/chat/completions", "/v1/responses"),
    *("/v1/models", "/health", "/livez", "/readyz", "/metrics", "unmatched"),
)
WHISPER_ROUTES = (
    *("/asr", "/detect-language", "/v1/audio/transcriptions", "/v1/audio/translations", "/v1/models", "/status"),
    *("/v1/models/{model}", "/livez", "/readyz", "/metrics", "/load", "unmatched"),
)
TEXT, OPEN_METRICS = "text", "OpenMetrics"


class Scrape(NamedTuple):
    """What is measured, and what happens before each time, which is not."""

    write: Callable[[], bytes]
    before: Callable[[], object] = object


def measure(rounds: int, say: Callable[[str], None]) -> Section:
    """Have the programs write their metrics in turn, in both formats; figures are per 1,000 series."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # as the programs do
    bridge, whisper, cluster = filled_bridge(), filled_whisper(), Cluster()
    leader, standby = filled_operator(), filled_operator()
    leader.include(PipelineMetrics(cluster.store, "", lambda: True, {}).exposition)
    ways = {
        ("bridge", TEXT): Scrape(lambda: bridge.exposition()[0]),
        ("bridge", OPEN_METRICS): Scrape(lambda: bridge.exposition(open_metrics=True)[0]),
        ("Whisper", TEXT): Scrape(lambda: whisper.exposition()[0]),
        ("Whisper", OPEN_METRICS): Scrape(lambda: whisper.exposition(open_metrics=True)[0]),
        ("operator", TEXT): Scrape(leader.exposition, cluster.change),
        ("operator, standby", TEXT): Scrape(standby.exposition),
    }
    series = {way: count(scrape.write()) for way, scrape in ways.items()}
    taken: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
    for number in range(rounds):
        say(f"scrapes: round {number + 1} of {rounds}")
        for way, scrape in ways.items():
            taken[way].append(cpu_ms(scrape))
    per_thousand = {way: median(times) / series[way] * 1000 for way, times in taken.items()}
    programs = dict.fromkeys(program for program, _ in ways)
    figures = [Figure("series", "", {program: float(series[program, TEXT]) for program in programs})]
    figures += [
        Figure(
            f"CPU of a scrape, {form}",
            "ms per 1,000 series",
            {program: per_thousand[program, form] for program in programs if (program, form) in ways},
        )
        for form in (TEXT, OPEN_METRICS)
    ]
    goals = [
        Goal(f"CPU of a scrape of 1,000 series: {program}, {form}", MOST_MS, "ms", per_thousand[program, form])
        for program, form in ways
    ]
    return Section("Scrapes: writing /metrics", figures, goals)


def cpu_ms(scrape: Scrape) -> float:
    """Return the milliseconds of CPU that a scrape takes, the mean of several in a row."""
    taken = 0.0
    for _ in range(SCRAPES):
        scrape.before()
        began = process_time()
        scrape.write()
        taken += process_time() - began
    return taken / SCRAPES * 1000


def count(text: bytes) -> int:
    """Return the number of series."""
    return sum(not line.startswith(b"#") for line in text.splitlines())


def filled_bridge() -> BridgeMetrics:
    """Return the metrics of a bridge that has answered requests with two models, the last of them traced."""
    metrics = BridgeMetrics()
    metrics.know_models(MODELS)
    metrics.expect_requests(BRIDGE_ROUTES[:5])
    for route in BRIDGE_ROUTES:
        metrics.requests.labels(route, next(iter(REQUEST_OUTCOMES))).inc()
        metrics.request_seconds.labels(route).observe(0.3, TRACE)
    stages = [("queue", ""), ("transcribe", ""), *product(("queue", "generate"), MODELS)]
    for name, model in stages:
        stage = metrics.stage(name, model)
        for outcome in STAGE_OUTCOMES:
            stage.leave(stage.enter(), outcome, TRACE)
    for model in MODELS:
        asked = metrics.gen_ai.request(model, str, TRACE)
        with asked:
            asked.progress()
            asked.complete(40)
        metrics.first_token_seconds.labels(model).observe(0.9, TRACE)
        for kind in ("prompt", "completion"):
            metrics.tokens.labels(kind, model).inc(40)
    for upstream, kind in product(("whisper", "llm"), FailureKind):
        metrics.upstream_failures.labels(upstream, kind).inc()
    metrics.first_segment_seconds.observe(0.4, TRACE)
    metrics.upload_bytes.observe(65_536)
    return metrics


def filled_whisper() -> WhisperMetrics:
    """Return the metrics of a Whisper server on which every route has had every outcome."""
    metrics = WhisperMetrics("large-v3-turbo", lambda: 16, lambda: Load(0, 2, 16, 16, 12.5, 30.1, 9.8, 1.2))
    for route in WHISPER_ROUTES:
        metrics.request_seconds.labels(route).observe(0.3, exemplar(TRACE))
        for outcome in ("ok", "cancelled", *PROBLEMS):
            metrics.requests.labels(route, outcome).inc()
    for histogram in (metrics.first_segment_seconds, metrics.batch_wait, metrics.batch_seconds):
        histogram.observe(0.2, exemplar(TRACE))
    for doubt in Doubt:
        metrics.doubtful_seconds.labels(doubt).inc(0.5)
    for reason in ("damaged", "no_data", "truncated"):
        metrics.skipped_seconds.labels(reason).inc(0.5)
    return metrics


def filled_operator() -> OperatorMetrics:
    """Return the metrics of an operator that has written each kind for each reason."""
    metrics = OperatorMetrics()
    for kind in WATCHED:
        for changed in ("true", "false"):
            metrics.events.labels(kind.name, changed).inc()
        for why in get_args(Why):
            metrics.writes.labels(kind.name, "apply", why).inc()
        for verb, status in product(("list", "watch", "patch", "delete"), ("200", "409", "429", "none")):
            metrics.api_requests.labels(verb, kind.resource, status).inc()
    for code in CODES:
        metrics.errors.labels(code).inc()
    for result in ("ok", "rejected", "error"):
        metrics.reconciles.labels(result).inc()
    return metrics


class Cluster:
    """Ten pipelines, as the operator knows them."""

    def __init__(self) -> None:
        self.store = Store()
        self._version = 0
        self.change()

    def change(self) -> None:
        """Change all of them: the operator keeps the text of those that have not changed since the last scrape."""
        self._version += 1
        for number in range(PIPELINES):
            self.store.put(pipeline(number, self._version))


def pipeline(number: int, version: int) -> dict[str, object]:
    """Return a pipeline that is ready."""
    components = {"desired": 2, "ready": 2}
    models = [{"name": name, "replicasReady": 2, "memoryBytes": 3 << 30, "gpuBytes": 3 << 30} for name in MODELS]
    status = {
        "whisper": {**components, "backlogSeconds": 50},
        "ollama": components,
        "bridge": components,
        "models": models,
        "conditions": [{"type": name, "status": "True", "reason": "AsDesired"} for name in CONDITION_TYPES],
    }
    name = f"calls-{number}"
    about = {"name": name, "namespace": "speech", "uid": f"uid-{name}", "resourceVersion": str(version)}
    kind = {"apiVersion": "speechpipeline.dev/v1alpha1", "kind": "SpeechPipeline"}
    return {**kind, "metadata": about, "spec": {"scaling": {"gpuBudget": 8}}, "status": status}
