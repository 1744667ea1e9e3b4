"""The two forms of the response of `POST /process`: one JSON document, or a stream of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from speechbridge.api import json_response, sse
from speechbridge.api.middleware import record_failure
from speechbridge.transcribers.transcript import Segment, Transcript

if TYPE_CHECKING:
    from speechbridge.api.event_stream import EventStream
    from speechbridge.errors import Loading, Problem
    from speechbridge.stages.answer import Answer


class JsonAnswer:
    """One JSON document, sent when the answer is complete."""

    def __init__(self, request: web.Request, answer: Answer) -> None:
        self._request = request
        self._answer = answer

    async def done(self) -> web.StreamResponse:
        """Return the response."""
        return web.Response(body=json_response.encode(self._answer.document()), content_type="application/json")

    async def failed(self, problem: Problem) -> web.StreamResponse:
        """Return a 200 with the transcription and the error; raise the problem if there is no transcription."""
        if self._answer.transcript is None:
            raise problem
        record_failure(self._request, problem, partial=True)
        self._answer.error = problem
        return await self.done()


class EventAnswer:
    """A stream of events, each sent as soon as it is known.

    Attributes:
        stream: The stream.
    """

    def __init__(self, request: web.Request, answer: Answer, stream: EventStream) -> None:
        self._request = request
        self._answer = answer
        self.stream = stream

    async def item(self, item: Segment | Transcript | str) -> None:
        """Send a segment, the transcript, or a piece of the response."""
        await self.stream.send(self._event(item))

    async def starting(self, loading: Loading | None) -> None:
        """Send that a component starts, and how far it is."""
        known = {} if loading is None else {"loading": loading.document()}
        await self.stream.send(sse.encode("status", {"status": "starting", "stage": self._stage, **known}))

    async def done(self) -> web.StreamResponse:
        """Send the complete answer and return the response."""
        await self.stream.send(sse.encode("response.done", self._answer.document()))
        return self.stream.response

    async def failed(self, problem: Problem) -> web.StreamResponse:
        """Send the error, then the answer if there is a transcription; return the response."""
        transcribed = self._answer.transcript is not None
        record_failure(self._request, problem, partial=transcribed)
        error = {"code": problem.code, "message": problem.detail, "stage": self._stage}
        await self.stream.send(sse.encode("error", error))
        if transcribed:
            self._answer.error = problem
            return await self.done()
        return self.stream.response

    @property
    def _stage(self) -> str:
        transcribed = self._answer.transcript is not None and not self._answer.truncated
        return "generate" if transcribed else "transcribe"

    def _event(self, item: Segment | Transcript | str) -> bytes:
        if isinstance(item, str):
            return sse.encode("response.delta", {"text": item})
        if isinstance(item, Segment):
            return sse.encode("transcript.delta", _delta(item))
        done = {
            "text": item.text,
            "language": item.language,
            "audio_seconds": item.duration,
            "coverage": item.coverage,
            "warnings": self._answer.warnings,
        }
        return sse.encode("transcript.done", done)


def _delta(segment: Segment) -> dict[str, object]:
    delta: dict[str, object] = {"text": segment.passage, "start": segment.start, "end": segment.end}
    return delta if segment.channel is None else {**delta, "channel": segment.channel}
