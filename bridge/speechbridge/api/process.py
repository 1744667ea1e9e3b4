"""`POST /process`: accepts a recording; returns transcript and answer, as JSON or as a stream of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbridge.api import accept
from speechbridge.api.entry import Arriving, Uploaded, Working, announced, buffered, call_of, expect_continue
from speechbridge.api.event_stream import EventStream
from speechbridge.api.generation_fields import generation_options
from speechbridge.api.process_answers import EventAnswer, JsonAnswer
from speechbridge.errors import Problem
from speechbridge.intake import fields
from speechbridge.service import SERVICE
from speechbridge.stages.answer import Answer
from speechbridge.stages.conversation import DEFAULT_PROMPT, Question
from speechbridge.stages.partial import partial_transcript
from speechbridge.transcribers.port import TranscriptionOptions

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from aiohttp import web

    from speechbridge.intake.upload import Upload
    from speechbridge.stages.call import Call
    from speechbridge.transcribers.transcript import Segment, Transcript

_EVENTS = "text/event-stream"
WHISPER_FIELDS = frozenset({
    "audio_track",
    "channels",
    "hotwords",
    "initial_prompt",
    "language",
    "task",
    "vad_filter",
    "vocabulary",
    "whisper_temperature",
})  # fmt: skip
_DEFAULTS = TranscriptionOptions()


def add_routes(app: web.Application) -> None:
    """Add the route."""
    app.router.add_post("/process", process, expect_handler=expect_continue)


async def process(request: web.Request) -> web.StreamResponse:
    """Answer a form with JSON, or with events if the form or the Accept header requests them."""
    service = request.app[SERVICE]
    call = call_of(request, service, streams=accepts_events(request))
    reply = _Reply(request, Answer(call.timeline), call)
    try:
        async with Arriving(service, call), Uploaded(request, service, call) as upload:
            form = _Form(upload, call, ollama=service.settings.generator == "ollama")
            form.read()  # errors in the fields before the file are reported before the recording is read
            with announced(service, call):
                await buffered(service, upload, call)
                form.read()
                async with Working(service, call):
                    conversation = service.conversation.run(upload, form.read, reply.answer, call, reply.send)
                    return await reply.write(conversation)
    except Problem as problem:
        # With a transcription, whole or in part, this is the deadline. The slot is free by now: a client that stops
        # reading its events must not occupy it past the deadline.
        return await reply.failed(problem)


class _Reply:
    """Writes the answer in the form that the client requested; `stream` may still arrive after the file."""

    def __init__(self, request: web.Request, answer: Answer, call: Call) -> None:
        self.answer = answer
        self._request = request
        self._call = call
        self._json = JsonAnswer(request, answer)
        self._made_events: EventAnswer | None = None

    async def write(self, conversation: Awaitable[None]) -> web.StreamResponse:
        """Have the conversation and answer; also a failure while the slot is occupied, so that a shutdown waits."""
        if self._call.streams:
            self._call.on_accepted = self._events.stream.accepted
            self._call.on_starting = self._events.starting
            self._events.stream.keep_alive()
        try:
            await conversation
            return await (self._events if self._call.streams else self._json).done()
        except Problem as problem:
            return await self.failed(problem)
        finally:
            if self._made_events is not None:
                self._made_events.stream.close()

    async def send(self, item: Segment | Transcript | str) -> None:
        """Send an item, if the client requested events: a JSON document includes every item."""
        if self._call.streams:
            await self._events.item(item)

    async def failed(self, problem: Problem) -> web.StreamResponse:
        """Answer with what there is besides the problem; before anything is sent or transcribed, raise the problem."""
        if self.answer.transcript is None and (partial := partial_transcript(self._call, problem)):
            self.answer.cut_off(partial)
        started = self._made_events is not None and self._made_events.stream.started
        return await (self._events if started else self._json).failed(problem)

    @property
    def _events(self) -> EventAnswer:
        """The answer as events, made for those who request it."""
        if self._made_events is None:
            self._made_events = EventAnswer(self._request, self.answer, EventStream(self._request))
        return self._made_events


class _Form:
    """The text fields of a form whose file may still be arriving."""

    def __init__(self, upload: Upload, call: Call, *, ollama: bool) -> None:
        self._upload = upload
        self._call = call
        self._ollama = ollama
        self._question: Question | None = None

    def read(self) -> Question:
        """Return the question according to the fields received so far; it is final once the form is complete.

        Raises:
            Problem: A field is invalid.
        """
        if self._question is not None:
            return self._question
        form = self._upload.fields
        system, prompt = fields.text(form, "system"), fields.text(form, "prompt")
        question = Question(
            instructions="\n\n".join(filter(None, (system, prompt))) or DEFAULT_PROMPT,
            model=fields.text(form, "model"),
            generation=generation_options(form, ollama=self._ollama),
            complete=self._upload.complete or prompt is not None,
            transcription=transcription_options(form),
        )
        self._call.streams = self._call.streams or fields.boolean(form, "stream")
        if self._upload.complete:
            self._question = question
        return question


def transcription_options(form: fields.Fields) -> TranscriptionOptions:
    """Return the options of Whisper in the fields received so far; raises Problem for an invalid one."""
    if WHISPER_FIELDS.isdisjoint(form):  # as in most requests
        return _DEFAULTS
    return TranscriptionOptions(
        task=fields.task(form),
        audio_track=fields.audio_track(form),
        separate_channels=fields.separate_channels(form),
        language=fields.language(form),
        hotwords=fields.hotwords(form),
        prompt=fields.text(form, "initial_prompt"),
        temperature=fields.temperature(form, "whisper_temperature"),
        vad_filter=fields.optional_boolean(form, "vad_filter"),
    )


def accepts_events(request: web.Request) -> bool:
    """Return whether the Accept header requests events."""
    return accept.names(request, _EVENTS)
