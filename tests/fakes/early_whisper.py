"""A Whisper server that begins while the file arrives: the rest is `FakeSpeechWhisper`."""

from collections.abc import AsyncIterator

from aiohttp import web

from fakes.received import Received, read_body
from fakes.sending import Reply, event, send
from fakes.speech_whisper import FakeSpeechWhisper


class FakeEarlyWhisper(FakeSpeechWhisper):
    """With `stream` before the file it answers as soon as the file begins, with one segment; others follow the form.

    The fields before the file are its options then: further ones are an error at the end. It plays no script.
    """

    async def _serve(self, request: web.Request, received: Received) -> web.StreamResponse:
        if not self.is_work(received):
            return await super()._serve(request, received)
        if refusal := await self.refuses(received):
            return await send(request, received, refusal, None)
        if received.asks_first:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        body = read_body(request, received)
        async for _ in body:
            self._changed.set()
            if received.audio and received.audio.size:
                break
        if received.value("stream") == "true":
            events = self._while_it_arrives(received, body)
            return await send(request, received, Reply(events, content_type="text/event-stream"), None)
        async for _ in body:
            self._changed.set()
        return await send(request, received, await self.perform(received, None), None)

    async def _while_it_arrives(self, received: Received, body: AsyncIterator[None]) -> AsyncIterator[bytes]:
        events = self._events(received, None)
        early = len(received.parts)
        yield await anext(events)
        async for _ in body:
            self._changed.set()
        if late := received.parts[early:]:
            error = {"message": f"{late[0]} must precede the file", "code": "bad_field", "param": late[0]}
            yield event({"type": "error", "error": error})
            return
        async for one in events:
            yield one
