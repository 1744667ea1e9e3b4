"""`POST /process`: a recording in, transcript and answer out; as JSON, or as events while they come about."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING

from aiohttp import web

from speechbridge.api import sse
from speechbridge.api.entry import admitted, call_of, expect_continue, uploaded
from speechbridge.api.event_stream import EventStream
from speechbridge.api.middleware import OUTCOME, TIMELINE
from speechbridge.errors import Problem
from speechbridge.intake import fields
from speechbridge.stages.conversation import DEFAULT_PROMPT, Answer, Question
from speechbridge.transcribers.port import TranscriptionOptions
from speechbridge.transcribers.transcript import Segment, Transcript

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from speechbridge.intake.form import Upload
    from speechbridge.stages.attempt import Call

    Items = AsyncGenerator[Segment | Transcript | str]


def add_routes(app: web.Application) -> None:
    """Add the route."""
    app.router.add_post("/process", process, expect_handler=expect_continue)


async def process(request: web.Request) -> web.StreamResponse:
    """Answer a form with JSON, or with events when it or the Accept header asks for them."""
    answer = Answer(request[TIMELINE])
    stream = EventStream(request)
    try:
        async with admitted(request) as service, uploaded(request, service) as upload:
            call = call_of(request, streams=accepts_events(request))
            form = _Form(upload, call)
            form.read()  # what is wrong with the fields that came first is said before the recording is read
            await upload.settle()
            form.read()
            if call.streams:
                stream.keep_alive()
            async with stream, aclosing(service.conversations.hold(upload, form.read, answer, call)) as items:
                return await _answer(request, items, answer, stream, call)
    except Problem as problem:
        # Only the deadline gets here with a transcript at hand: it ends whatever the stages were at.
        if stream.started:
            return await _end_events(request, stream, answer, problem)
        if answer.transcript is None:
            raise
        return _failed_json(request, answer, problem)


async def _answer(
    request: web.Request, items: Items, answer: Answer, stream: EventStream, call: Call
) -> web.StreamResponse:
    try:
        async for item in items:
            if call.streams:
                await stream.send(_event(item, answer))
    except Problem as problem:
        if stream.started:
            return await _end_events(request, stream, answer, problem)
        if answer.transcript is None:
            raise
        return _failed_json(request, answer, problem)
    if not call.streams:
        return _json(answer)
    await stream.send(sse.encode("response.done", answer.document()))
    return stream.response


async def _end_events(
    request: web.Request, stream: EventStream, answer: Answer, problem: Problem
) -> web.StreamResponse:
    stage = "transcribe" if answer.transcript is None else "generate"
    request[OUTCOME] = problem.outcome if answer.transcript is None else "partial"
    await stream.send(sse.encode("error", {"code": problem.code, "message": problem.detail, "stage": stage}))
    if answer.transcript is not None:
        answer.error = problem
        await stream.send(sse.encode("response.done", answer.document()))
    return stream.response


def _failed_json(request: web.Request, answer: Answer, problem: Problem) -> web.Response:
    """Answer 200 with the transcription, though the generation failed: it was worth the work."""
    request[OUTCOME] = "partial"
    answer.error = problem
    return _json(answer)


def _json(answer: Answer) -> web.Response:
    body = json.dumps(answer.document(), ensure_ascii=False).encode(errors="replace")
    return web.Response(body=body, content_type="application/json")


def _event(item: Segment | Transcript | str, answer: Answer) -> bytes:
    if isinstance(item, str):
        return sse.encode("response.delta", {"text": item})
    if isinstance(item, Segment):
        return sse.encode("transcript.delta", {"text": item.text, "start": item.start, "end": item.end})
    done = {
        "text": item.text,
        "language": item.language,
        "audio_seconds": item.duration,
        "warnings": answer.warnings,
    }
    return sse.encode("transcript.done", done)


class _Form:
    """The text fields of a form whose file may still be arriving; `stream` counts whenever it comes."""

    def __init__(self, upload: Upload, call: Call) -> None:
        self._upload = upload
        self._call = call
        self._question: Question | None = None

    def read(self) -> Question:
        """Read what is asked, as far as it has come; once all has come the reading stands. Raises Problem."""
        if self._question is not None:
            return self._question
        form = self._upload.fields
        question = Question(
            prompt=fields.text(form, "prompt") or DEFAULT_PROMPT,
            model=fields.text(form, "model"),
            options=TranscriptionOptions(language=fields.language(form)),
        )
        self._call.streams = self._call.streams or fields.boolean(form, "stream")
        if self._upload.complete:
            self._question = question
        return question


def accepts_events(request: web.Request) -> bool:
    """Tell whether the Accept header asks for events."""
    return "text/event-stream" in request.headers.get("Accept", "")
