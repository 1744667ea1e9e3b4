"""A pod that reports its load, as Whisper pods and bridges do, or as one that is broken does."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any

from fakes.faults import Fault
from fakes.received import Received
from fakes.sending import Reply, event, wire
from fakes.server import FakeUpstream

EVENTS = "text/event-stream; charset=utf-8"
COMMENT = b": keep-alive\n\n"
WHISPER: dict[str, Any] = {
    "held": 0,
    "waiting": 0,
    "working": 0,
    "slots": 1,
    "audio_seconds_waiting": 0.0,
    "audio_seconds_working": 0.0,
    "audio_seconds_per_second": 0.0,
    "oldest_wait_seconds": 0.0,
}
BRIDGE: dict[str, Any] = {
    **{name: value for name, value in WHISPER.items() if name != "slots"},
    "audio_seconds_held": 0.0,
    "pods": {},
    "ollama": {"held": 0, "waiting": 0, "working": 0, "coming": 0, "pods": {}},
    "models_revision": "",
}


class SilentStreams:
    """In place of the operator's client: pods that accept a connection and say nothing."""

    async def events(self, url: str) -> AsyncGenerator[Mapping[str, Any] | None]:
        del url
        await asyncio.Event().wait()
        yield None


class FakeLoad(FakeUpstream):
    """`report` changes what it says. Unlike the real ones it sends each change at once, so that no test waits a second.

    `pieces` replaces the bytes of its streams.
    """

    def __init__(self, load: dict[str, Any]) -> None:
        super().__init__()
        self.load = dict(load)
        self.pieces: Callable[[], AsyncIterator[bytes]] = self._events

    def report(self, **members: Any) -> None:
        self.load |= members
        self.progressed()

    def is_work(self, received: Received) -> bool:
        return received.path == "/load"

    async def answer(self, received: Received, fault: Fault | None) -> Reply:  # noqa: ARG002 - as every fake
        if received.path != "/load":
            return Reply(b"{}", 404)
        if "text/event-stream" not in received.headers.get("Accept", ""):
            return Reply(wire(self.load))
        return Reply(self.pieces(), content_type=EVENTS, early_head=True)

    async def _events(self) -> AsyncIterator[bytes]:
        sent: dict[str, Any] = {}
        while True:
            if self.load != sent:
                sent = dict(self.load)
                yield event(sent)
            else:
                await self.until(lambda: self.load != sent, deadline=None)  # noqa: B023 - it is awaited here
