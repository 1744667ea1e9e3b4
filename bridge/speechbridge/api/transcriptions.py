"""OpenAI's audio routes: `POST /v1/audio/transcriptions` and `POST /v1/audio/translations`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web

from speechbridge.api import formats, json_response
from speechbridge.api.entry import Arriving, Uploaded, Working, buffered, call_of, expect_continue
from speechbridge.api.event_stream import EventStream
from speechbridge.api.middleware import record_failure
from speechbridge.api.problem_documents import openai_document
from speechbridge.errors import Problem
from speechbridge.intake import fields
from speechbridge.intake.speech_models import is_served
from speechbridge.service import SERVICE
from speechbridge.stages.partial import partial_transcript
from speechbridge.transcribers.port import Task, TranscriptionOptions
from speechbridge.transcribers.transcript import Segment, Transcript

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechbridge.intake.upload import Upload
    from speechbridge.service import Service
    from speechbridge.stages.call import Call

_ALIAS = "whisper-1"  # OpenAI's model name, common in clients
_MAX_NAME_CHARS = 80
_WORDS = "word"
_JSON_FORMATS = frozenset({"json", "verbose_json"})
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
    service = request.app[SERVICE]
    call = call_of(request, service, streams=False)
    stream = EventStream(request)
    form: fields.Fields = {}
    try:
        async with Arriving(service, call), Uploaded(request, service, call) as upload:
            form = upload.fields

            def options() -> TranscriptionOptions:
                call.streams = fields.boolean(upload.fields, "stream")
                return read_options(upload, service, task)

            options()  # errors in the fields before the file are reported before the recording is read
            await buffered(service, upload, call)
            options()
            if call.streams:
                call.on_accepted = stream.accepted
                call.on_starting = stream.starting
                stream.keep_alive()
            async with stream, Working(service, call):
                streamed = False

                async def send(segment: Segment) -> None:
                    nonlocal streamed
                    await stream.send(_event(segment, words=_WORDS in fields.granularities(form)))
                    streamed = True

                transcript = await service.transcription.run(upload, options, call, send)
                if not call.streams:
                    return await _rendered(form, transcript, task)
                words = _WORDS in fields.granularities(form)
                await _send(stream, transcript, words=words, segments=not streamed)
            return stream.response
    except Problem as problem:
        record_failure(request, problem)
        if not stream.started:
            return await _truncated(form, problem, call, task)
        await stream.send(_data({"type": "error", **openai_document(problem)}))
        return stream.response


async def _send(stream: EventStream, transcript: Transcript, *, words: bool, segments: bool) -> None:
    """Send a transcript as events; also its segments, if it is of a Whisper that does not stream."""
    if segments:
        for segment in transcript.segments:
            await stream.send(_event(segment, words=words))
            await asyncio.sleep(0)  # other requests take turns
    await stream.send(_event(transcript, words=words))


async def _truncated(form: fields.Fields, problem: Problem, call: Call, task: Task) -> web.Response:
    """Return what was transcribed before the deadline; raise the problem if nothing was.

    Formats that cannot say that the text is incomplete get it in the error.
    """
    partial = partial_transcript(call, problem)
    if partial is None:
        raise problem
    if fields.choice(form, "response_format", formats.RESPONSE_FORMATS) not in _JSON_FORMATS:
        raise Problem(problem.code, problem.detail, transcription=partial.text)
    return await _in_thread_if_large(partial, lambda: _json(formats.truncated(_document(form, partial, task), partial)))


async def _rendered(form: fields.Fields, transcript: Transcript, task: Task) -> web.Response:
    """Render a transcript in the requested format."""
    return await _in_thread_if_large(transcript, lambda: _formatted(form, transcript, task))


async def _in_thread_if_large(transcript: Transcript, render: Callable[[], web.Response]) -> web.Response:
    """Render a transcript; a large one in a thread, so that other requests go on."""
    return await asyncio.to_thread(render) if formats.is_large(transcript) else render()


def _formatted(form: fields.Fields, transcript: Transcript, task: Task) -> web.Response:
    chosen = fields.choice(form, "response_format", formats.RESPONSE_FORMATS)
    if chosen == "text":
        return _text(f"{transcript.text}\n", "text/plain")
    if chosen in _SUBTITLES:
        content_type, render = _SUBTITLES[chosen]
        return _text(render(transcript), content_type)
    return _json(_document(form, transcript, task))


def _document(form: fields.Fields, transcript: Transcript, task: Task) -> dict[str, Any]:
    if fields.choice(form, "response_format", formats.RESPONSE_FORMATS) != "verbose_json":
        return formats.plain(transcript)
    granularities = fields.granularities(form)
    segments = not granularities or "segment" in granularities
    return formats.verbose(transcript, task, words=_WORDS in granularities, segments=segments)


def _json(document: dict[str, Any]) -> web.Response:
    return web.Response(body=json_response.encode(document), content_type="application/json")


def _text(text: str, content_type: str) -> web.Response:
    return web.Response(body=text.encode(errors="replace"), content_type=content_type, charset="utf-8")


def _event(item: Segment | Transcript, *, words: bool) -> bytes:
    if isinstance(item, Segment):
        segment = formats.segment_object(item, words=words)
        return _data({"type": "transcript.text.delta", "delta": item.passage, "segment": segment})
    # No `usage`: OpenAI's clients know only one of tokens here.
    done = {"type": "transcript.text.done", "text": item.text, **formats.language(item), "duration": item.duration}
    return _data({**done, **formats.additions(item)})


def _data(event: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % json_response.encode(event)


def read_options(upload: Upload, service: Service, task: Task) -> TranscriptionOptions:
    """Return the options in the fields received so far; raises Problem for an invalid one."""
    form = upload.fields
    model = fields.text(form, "model")
    settings = service.settings
    if model is not None and not is_served(model, (settings.whisper_model, *settings.whisper_model_aliases)):
        names = " or ".join(dict.fromkeys((settings.whisper_model, _ALIAS)))
        raise Problem(
            "model_not_found",
            f"The speech model {model[:_MAX_NAME_CHARS]!r} does not exist; use {names}, or add it to "
            "WHISPER_MODEL_ALIASES.",
            param="model",
        )
    chosen = fields.choice(form, "response_format", formats.RESPONSE_FORMATS)
    granularities = fields.granularities(form)
    streams = fields.boolean(form, "stream")
    if upload.complete and granularities and chosen != "verbose_json" and not streams:  # in any order of the fields
        raise Problem(
            "bad_field",
            "'timestamp_granularities[]' requires response_format=verbose_json, or stream=true.",
            param="timestamp_granularities[]",
        )
    return TranscriptionOptions(
        task=task,
        audio_track=fields.audio_track(form),
        separate_channels=fields.separate_channels(form),
        language=fields.language(form),
        hotwords=fields.hotwords(form),
        prompt=fields.text(form, "prompt"),
        temperature=fields.temperature(form),
        word_timestamps=_WORDS in granularities,
        vad_filter=fields.optional_boolean(form, "vad_filter"),
    )
