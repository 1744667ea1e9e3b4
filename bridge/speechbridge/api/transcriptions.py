"""OpenAI's audio routes: `POST /v1/audio/transcriptions` and `POST /v1/audio/translations`."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from aiohttp import web

from speechbridge.api import formats
from speechbridge.api.entry import admitted, call_of, expect_continue, uploaded
from speechbridge.api.event_stream import EventStream
from speechbridge.api.middleware import OUTCOME
from speechbridge.api.problem_documents import openai_document
from speechbridge.errors import Problem
from speechbridge.intake import fields
from speechbridge.transcribers.port import Task, TranscriptionOptions
from speechbridge.transcribers.transcript import Segment, Transcript

if TYPE_CHECKING:
    from speechbridge.intake.upload import Upload
    from speechbridge.service import Service

_ALIAS = "whisper-1"  # OpenAI's model name, common in clients
_WORDS = "word"
_SUBTITLES = {"srt": ("application/x-subrip", formats.srt), "vtt": ("text/vtt", formats.vtt)}


def add_routes(app: web.Application) -> None:
    """Add the two routes."""
    app.router.add_post("/v1/audio/transcriptions", transcriptions, expect_handler=expect_continue)
    app.router.add_post("/v1/audio/translations", translations, expect_handler=expect_continue)


async def transcriptions(request: web.Request) -> web.StreamResponse:
    """Transcribe a recording in its language."""
    return await _answer(request, "transcribe")


async def translations(request: web.Request) -> web.StreamResponse:
    """Transcribe a recording into English."""
    return await _answer(request, "translate")


async def _answer(request: web.Request, task: Task) -> web.StreamResponse:
    call = call_of(request, streams=False)
    stream = EventStream(request)
    try:
        async with admitted(request, call) as service, uploaded(request, service) as upload:

            def options() -> TranscriptionOptions:
                call.streams = fields.boolean(upload.fields, "stream")
                return read_options(upload, service, task)

            options()  # errors in the fields before the file are reported before the recording is read
            await upload.buffer_until_ready()
            options()
            if call.streams:
                stream.keep_alive()
            async with stream, aclosing(service.transcription.run(upload, options, call)) as items:
                async for item in items:
                    if call.streams:
                        await stream.send(_event(item, words=_WORDS in _granularities(upload.fields)))
                    elif isinstance(item, Transcript):
                        return _formatted(upload, item, task)
            return stream.response
    except Problem as problem:
        if not stream.started:
            raise
        request[OUTCOME] = problem.outcome
        await stream.send(_data({"type": "error", **openai_document(problem)}))
        return stream.response


def _formatted(upload: Upload, transcript: Transcript, task: Task) -> web.Response:
    form = upload.fields
    chosen = fields.choice(form, "response_format", formats.RESPONSE_FORMATS)
    if chosen == "text":
        return _text(f"{transcript.text}\n", "text/plain")
    if chosen in _SUBTITLES:
        content_type, render = _SUBTITLES[chosen]
        return _text(render(transcript), content_type)
    if chosen == "verbose_json":
        granularities = _granularities(form)
        segments = not granularities or "segment" in granularities
        document = formats.verbose(transcript, task, words=_WORDS in granularities, segments=segments)
    else:
        document = formats.plain(transcript)
    body = json.dumps(document, ensure_ascii=False).encode(errors="replace")
    return web.Response(body=body, content_type="application/json")


def _text(text: str, content_type: str) -> web.Response:
    return web.Response(body=text.encode(errors="replace"), content_type=content_type, charset="utf-8")


def _event(item: Segment | Transcript, *, words: bool) -> bytes:
    if isinstance(item, Segment):
        segment = formats.segment_object(item, words=words)
        return _data({"type": "transcript.text.delta", "delta": item.text, "segment": segment})
    done = {"type": "transcript.text.done", "text": item.text, "language": item.language, "duration": item.duration}
    return _data({**done, "usage": formats.usage(item), **formats.additions(item)})


def _data(event: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode(errors="replace")


def read_options(upload: Upload, service: Service, task: Task) -> TranscriptionOptions:
    """Return the options in the fields received so far; raises Problem for an invalid one."""
    form = upload.fields
    model = fields.text(form, "model")
    known = (service.settings.whisper_model, _ALIAS)
    if model is not None and model not in known:
        names = " or ".join(dict.fromkeys(known))
        raise Problem("model_not_found", f"The speech model '{model}' does not exist; use {names}.", param="model")
    chosen = fields.choice(form, "response_format", formats.RESPONSE_FORMATS)
    granularities = _granularities(form)
    if granularities and chosen != "verbose_json":
        raise Problem(
            "bad_field",
            "'timestamp_granularities[]' requires response_format=verbose_json.",
            param="timestamp_granularities[]",
        )
    fields.boolean(form, "stream")
    return TranscriptionOptions(
        task=task,
        audio_track=fields.audio_track(form),
        language=fields.language(form),
        hotwords=fields.hotwords(form),
        prompt=fields.text(form, "prompt"),
        temperature=fields.temperature(form),
        word_timestamps=_WORDS in granularities,
        vad_filter=fields.optional_boolean(form, "vad_filter"),
    )


def _granularities(form: fields.Fields) -> frozenset[str]:
    values = frozenset(form.get("timestamp_granularities[]", []) + form.get("timestamp_granularities", []))
    if values - {"segment", _WORDS}:
        raise Problem(
            "bad_field", "'timestamp_granularities[]' must be segment or word.", param="timestamp_granularities[]"
        )
    return values
