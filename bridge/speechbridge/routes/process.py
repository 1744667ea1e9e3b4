"""`POST /process`: a recording in, transcript and answer out; as JSON, or as events while they come about."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING

from aiohttp import web

from speechbridge import fields, sse
from speechbridge.conversation import DEFAULT_PROMPT, Answer, Question
from speechbridge.errors import Problem
from speechbridge.middleware import OUTCOME, TIMELINE
from speechbridge.routes.intake import admitted, call_of, expect_continue, uploaded
from speechbridge.routes.streaming import EventStream
from speechbridge.transcribers import Segment, Transcript, TranscriptionOptions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from speechbridge.upload import Upload

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
            form = _Form(request, upload)
            form.read()  # what is wrong with the fields that came first is said before the recording is read
            await upload.settle()
            events = form.decide_on_events()
            call = call_of(request, streams=events)
            items = service.conversations.hold(upload, form.read, answer, call)
            async with aclosing(items):
                if not events:
                    return await _as_json(request, items, answer)
                async with stream.kept_alive():
                    return await _as_events(request, items, answer, stream)
    except Problem as problem:
        # Only the deadline gets here with a transcript at hand: it ends whatever the stages were at.
        if stream.started:
            return await _end_events(request, stream, answer, problem)
        if answer.transcript is None:
            raise
        return _failed_json(request, answer, problem)


async def _as_json(request: web.Request, items: Items, answer: Answer) -> web.Response:
    try:
        async for _ in items:
            pass
    except Problem as problem:
        if answer.transcript is None:
            raise
        return _failed_json(request, answer, problem)
    return _json(answer)


async def _as_events(request: web.Request, items: Items, answer: Answer, stream: EventStream) -> web.StreamResponse:
    try:
        async for item in items:
            await stream.send(_event(item, answer))
    except Problem as problem:
        if not stream.started:
            raise
        return await _end_events(request, stream, answer, problem)
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
    """The text fields of a form whose file may still be arriving."""

    def __init__(self, request: web.Request, upload: Upload) -> None:
        self._upload = upload
        self._accepts_events = "text/event-stream" in request.headers.get("Accept", "")
        self._events: bool | None = None
        self._question: Question | None = None

    def decide_on_events(self) -> bool:
        """Tell whether the caller asks for events, by the field `stream` or by its Accept header; this stands then."""
        self._events = self._wants_events()
        return self._events

    def read(self) -> Question:
        """Read what is asked, as far as it has come.

        Raises:
            Problem: A field is wrong; `field_after_file`: `stream` came too late.
        """
        if self._question is not None:
            return self._question
        form = self._upload.fields
        question = Question(
            prompt=fields.text(form, "prompt") or DEFAULT_PROMPT,
            model=fields.text(form, "model"),
            options=TranscriptionOptions(language=fields.language(form)),
        )
        if self._events is not None and self._wants_events() != self._events:
            raise Problem("field_after_file", "Send 'stream' before a large file.", param="stream")
        if self._upload.complete and self._events is not None:
            self._question = question
        return question

    def _wants_events(self) -> bool:
        return fields.boolean(self._upload.fields, "stream") or self._accepts_events
