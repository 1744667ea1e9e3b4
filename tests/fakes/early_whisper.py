"""A Whisper server that begins while the file arrives: the rest is `FakeSpeechWhisper`."""

from collections.abc import AsyncIterator, Mapping

from aiohttp import web

from fakes.received import Received, read_body
from fakes.sending import Reply
from fakes.speech_whisper import FakeSpeechWhisper, streams
from fakes.speech_whisper_errors import error_event, error_reply

_GRANULARITIES = "timestamp_granularities[]"
_OPTIONS = (
    "audio_track",
    "channels",
    "language",
    "hotwords",
    "vocabulary",
    "prompt",
    "temperature",
    _GRANULARITIES,
    "vad_filter",
)
"""Their values must not change after the file of a stream; of several that do, the error names the first of these."""


class FakeEarlyWhisper(FakeSpeechWhisper):
    """With `stream` before the file it answers as soon as the file begins; what is wrong from then on is an event.

    The first segment follows the first bytes of the file, the others the whole form. It plays no script.
    """

    async def _serve(self, request: web.Request, received: Received) -> web.StreamResponse:
        if not self.is_work(received):
            return await super()._serve(request, received)
        if refusal := await self.refuses(received):
            return await self._send(request, received, refusal, None)
        if received.asks_first:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        return await self._send(request, received, await self._while_it_arrives(request, received), None)

    async def _while_it_arrives(self, request: web.Request, received: Received) -> Reply:
        body = self._body(request, received)
        try:
            async for _ in body:
                if received.audio:
                    break
            if received.audio and streams(received):
                received.started = self._now()
                return self.bad_fields(received) or self.stream(self._early_events(received, body))
            async for _ in body:
                pass
        except ValueError:
            return self.broken_form()
        return await self.perform(received, None)

    async def _body(self, request: web.Request, received: Received) -> AsyncIterator[None]:
        async for _ in read_body(request, received):
            self.progressed()
            yield

    async def _early_events(self, received: Received, body: AsyncIterator[None]) -> AsyncIterator[bytes]:
        early = {name: list(values) for name, values in received.form.items()}
        events = self.events(received, None)
        async for _ in body:
            if self.transcript.segments and received.audio and received.audio.size and not self.bad_file(received):
                yield await anext(events)
                break
        try:
            async for _ in body:
                pass
        except ValueError:
            yield error_event(self.broken_form())
            return
        if bad := self.bad_fields(received) or _late(early, received.form) or self.bad_file(received):
            yield error_event(bad)
            return
        async for one in events:
            yield one


def _late(early: Mapping[str, list[str]], form: Mapping[str, list[str]]) -> Reply | None:
    """The answer to fields after the file that change the options."""
    for name in _OPTIONS:
        if _effect(early, name) != _effect(form, name):
            return error_reply(400, f"{name} must precede the file", "bad_field", param=name)
    return None


def _effect(form: Mapping[str, list[str]], name: str) -> str | bool:
    values = form.get(name, [])
    return "word" in values if name == _GRANULARITIES else "".join(values[:1])
