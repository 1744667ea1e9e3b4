"""A Whisper pod with a queue of its own, which reports its load: the rest is `FakeSpeechWhisper`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fakes.faults import Fault
from fakes.received import Received
from fakes.sending import Reply, event, wire
from fakes.speech_whisper import FakeSpeechWhisper

FOREVER = 3600.0


class FakeQueueingWhisper(FakeSpeechWhisper):
    """Requests wait in line before `100 Continue`, `max_waiting` at most; one more is refused with 503.

    `GET /load` answers JSON or events, one at each change; every response has the header `Speech-Load`.
    `audio_seconds_per_second` is what it tells as its speed.
    """

    def __init__(
        self, *args: Any, max_waiting: int = 64, audio_seconds_per_second: float = 10.0, **options: Any
    ) -> None:
        super().__init__(*args, **options, patience=FOREVER)
        self.max_waiting = max_waiting
        self.audio_seconds_per_second = audio_seconds_per_second

    @property
    def waiting(self) -> list[Received]:
        """The requests in line, the first one first."""
        return [received for received in self._line if not received.finished]

    @property
    def working(self) -> list[Received]:
        return [received for received in self._taken if received.finished is None]

    def load(self) -> dict[str, Any]:
        return {
            "held": 0,
            "waiting": len(self.waiting),
            "working": len(self.working),
            "slots": self.concurrency,
            "audio_seconds_waiting": _seconds(self.waiting),
            "audio_seconds_working": _seconds(self.working),
            "audio_seconds_per_second": self.audio_seconds_per_second,
            "oldest_wait_seconds": 0.0,
        }

    async def refuses(self, received: Received) -> Reply | None:
        if self.is_work(received) and len(self._line) >= self.max_waiting:
            return self._with_load(_full())
        reply = await super().refuses(received)
        self._changed.set()
        return self._with_load(reply) if reply else None

    async def perform(self, received: Received, fault: Fault | None) -> Reply:
        if received.path != "/load":
            return self._with_load(await super().perform(received, fault))
        if "text/event-stream" in received.headers.get("Accept", ""):
            return self._with_load(Reply(self._loads(), content_type="text/event-stream", early_head=True))
        return self._with_load(Reply(wire(self.load())))

    def _with_load(self, reply: Reply) -> Reply:
        load = ", ".join(f"{name}={number}" for name, number in self.load().items())
        reply.headers = {**reply.headers, "Speech-Load": load}
        return reply

    async def _loads(self) -> AsyncIterator[bytes]:
        while True:
            told = self.load()
            yield event(told)
            with contextlib.suppress(TimeoutError):
                await self.until(lambda told=told: self.load() != told, deadline=FOREVER)  # type: ignore[misc]
            await asyncio.sleep(0)


def _seconds(requests: list[Received]) -> float:
    return sum(float(received.headers.get("Speech-Audio-Seconds", 0)) for received in requests)


def _full() -> Reply:
    body = {"error": {"message": "the queue is full", "type": "server_error", "param": None, "code": "busy"}}
    return Reply(wire(body), 503, headers={"Retry-After": "60"})
