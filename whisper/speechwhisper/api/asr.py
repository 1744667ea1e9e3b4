"""The routes of whisper-asr-webservice 1.10, used by subtitle tools such as Bazarr."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web

from speechwhisper.api.asr_formats import ASR_FORMATS
from speechwhisper.api.entry import before_continue, upload
from speechwhisper.api.rendering import render
from speechwhisper.intake.announced import assumed_channels
from speechwhisper.intake.options import parse_audio_track, parse_bool, parse_choice, parse_options
from speechwhisper.recognition import languages
from speechwhisper.recognition.options import Options
from speechwhisper.service import SERVICE

if TYPE_CHECKING:
    from speechwhisper.jobs import Job, Run, Transcription

FILE_FIELDS = ("audio_file", "file")


def add_routes(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_post("/asr", asr, expect_handler=before_continue)
    app.router.add_post("/detect-language", detect_language, expect_handler=before_continue)
    app.router.add_get("/status", status)


def _options(request: web.Request) -> Options:
    query, service = request.query, request.app[SERVICE]
    return parse_options(
        query,
        known_languages=service.jobs.decoder.languages,
        task=parse_choice(query, "task", ("transcribe", "translate"), default="transcribe"),
        prompt_field="initial_prompt",
        word_timestamps=parse_bool(query, "word_timestamps", default=False),
        vad_filter=service.settings.whisper_vad_filter,
    )


async def asr(request: web.Request) -> web.Response:
    """Transcribe a file; options are query parameters. Responses are text/plain in every format, as in the original."""
    output = parse_choice(request.query, "output", tuple(ASR_FORMATS), default="txt")
    options = _options(request)
    raw = not parse_bool(request.query, "encode", default=True)

    def begin(job: Job, options: Options) -> Transcription:
        return job.transcribe(options, raw=raw)

    uploading = upload(
        request,
        FILE_FIELDS,
        begin=begin,
        options=lambda _: options,
        raw=raw,
        channels=assumed_channels(separate=options.separate_channels, raw=raw),
        fixed=lambda _: True,
    )
    async with uploading as received:
        form = await received.form()
        transcript = await received.running.transcript()
    name = quote(f"{form.filename}.{output}", errors="replace")  # bytes that are not UTF-8 arrive as surrogates
    return web.Response(
        text=await render(transcript, ASR_FORMATS[output]),
        content_type="text/plain",
        charset="utf-8",
        headers={"Asr-Engine": "faster_whisper", "Content-Disposition": f'attachment; filename="{name}"'},
    )


async def detect_language(request: web.Request) -> web.Response:
    """Detect the language: name, code and probability."""
    options = Options(audio_track=parse_audio_track(request.query))
    raw = not parse_bool(request.query, "encode", default=True)

    def begin(job: Job, options: Options) -> Run[tuple[str, float]]:
        return job.detect_language(options, raw=raw)

    uploading = upload(request, FILE_FIELDS, begin=begin, options=lambda _: options, raw=raw, fixed=lambda _: True)
    async with uploading as received:
        await received.form()
        code, confidence = await received.running.result()
    return web.json_response(
        {"detected_language": languages.NAMES.get(code, code), "language_code": code, "confidence": confidence}
    )


async def status(request: web.Request) -> web.Response:
    """Return version and model, for the connection tests of subtitle tools."""
    version = metadata.version("faster-whisper")
    return web.json_response(
        {"version": f"speechwhisper, faster-whisper {version}", "model": request.app[SERVICE].settings.model_name}
    )
