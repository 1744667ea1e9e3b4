"""The audio routes of OpenAI's API; its official clients work unchanged."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from aiohttp import web

from speechwhisper.api import asr_formats, json_text, openai_formats
from speechwhisper.api.entry import before_continue, upload
from speechwhisper.api.event_stream import stream
from speechwhisper.api.rendering import render
from speechwhisper.errors import Problem
from speechwhisper.intake.options import parse_bool, parse_choice, parse_granularities, parse_options
from speechwhisper.intake.speech_models import is_served
from speechwhisper.service import SERVICE

if TYPE_CHECKING:
    from speechwhisper.intake.multipart import Form
    from speechwhisper.jobs import Job, Transcription
    from speechwhisper.recognition.options import Options
    from speechwhisper.recognition.transcript import Transcript

FILE_FIELDS = ("file", "audio_file")
RESPONSE_FORMATS = ("json", "text", "srt", "vtt", "verbose_json")


def add_routes(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_post("/v1/audio/transcriptions", transcriptions, expect_handler=before_continue)
    app.router.add_post("/v1/audio/translations", translations, expect_handler=before_continue)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/v1/models/{model:.+}", model)


async def transcriptions(request: web.Request) -> web.StreamResponse:
    """Transcribe a file; respond with the whole transcript or a stream of segments."""
    return await _answer(request, "transcribe")


async def translations(request: web.Request) -> web.StreamResponse:
    """Translate a file into English."""
    return await _answer(request, "translate")


async def models(request: web.Request) -> web.Response:
    """List the loaded model."""
    return web.json_response({"object": "list", "data": [_model(request)]})


async def model(request: web.Request) -> web.Response:
    """Return the loaded model."""
    _check_model(request, request.match_info["model"])
    return web.json_response(_model(request))


def _model(request: web.Request) -> dict[str, Any]:
    return {
        "id": request.app[SERVICE].settings.model_name,
        "object": "model",
        "created": 0,
        "owned_by": "speechwhisper",
    }


def _check_model(request: web.Request, name: str) -> None:
    settings = request.app[SERVICE].settings
    if name and not is_served(name, (settings.model_name, settings.whisper_model, *settings.whisper_model_aliases)):
        raise Problem(
            "model_not_found",
            f"The model {name[:80]!r} is not loaded; the loaded model is {settings.model_name!r}. "
            "WHISPER_MODEL_ALIASES adds names.",
            param="model",
        )


def _options(request: web.Request, form: Form, task: str) -> Options:
    values = form.first()
    _check_model(request, values.get("model", "").strip())
    parse_choice(values, "response_format", RESPONSE_FORMATS, default="json")
    parse_bool(values, "stream", default=False)
    return parse_options(
        values,
        known_languages=request.app[SERVICE].jobs.decoder.languages,
        task=task,
        prompt_field="prompt",
        word_timestamps="word" in parse_granularities(form.fields),
        vad_filter=request.app[SERVICE].settings.whisper_vad_filter,
    )


async def _answer(request: web.Request, task: str) -> web.StreamResponse:
    def options_in(form: Form) -> Options:
        return _options(request, form, task)

    def begin(job: Job, options: Options) -> Transcription:
        return job.transcribe(options, raw=False)

    async with AsyncExitStack() as slot:
        uploading = upload(request, FILE_FIELDS, begin=begin, options=options_in, fixed=_streams)
        received = await slot.enter_async_context(uploading)
        if _streams(received.early) or _streams(await received.form()):
            return await stream(request, received, slot.aclose, options_in)
        form = await received.form()
        transcript = await received.running.transcript()
    return await _whole(form, transcript, options_in(form))


def _streams(form: Form) -> bool:
    return parse_bool(form.first(), "stream", default=False)


async def _whole(form: Form, transcript: Transcript, options: Options) -> web.Response:
    kind = parse_choice(form.first(), "response_format", RESPONSE_FORMATS, default="json")
    content_type, text = await render(transcript, lambda whole: _rendered(whole, kind, options))
    return web.Response(text=text, content_type=content_type, charset="utf-8")


def _rendered(transcript: Transcript, kind: str, options: Options) -> tuple[str, str]:
    """Return the media type of a `response_format`, and the transcript in it."""
    match kind:
        case "text":
            return "text/plain", asr_formats.plain(transcript)
        case "srt":
            return "text/plain", asr_formats.srt(transcript)
        case "vtt":
            return "text/vtt", asr_formats.vtt(transcript)
        case "verbose_json":
            return "application/json", json_text.encode(openai_formats.verbose(transcript, options))
        case _:
            return "application/json", json_text.encode(openai_formats.brief(transcript, options))
