"""The slots in which requests are decoded, and the bounded queue in front of them: first come, first served; no I/O."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from speechwhisper.admission.load import Load
from speechwhisper.admission.retry_after import STOPPING_S, retry_after
from speechwhisper.admission.speed import Speed
from speechwhisper.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LONGEST_STEP_S = 30.0
"""Whisper decodes windows of 30 s; progress beyond that skipped silence, which says nothing about the speed."""

_LATEST_WEIGHT = 0.2
"""Weight of the latest recording in the typical duration, a moving average."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of the queue.

    Attributes:
        requests: Maximum number of requests; 0: no queue.
        audio_seconds: Maximum duration of their audio, which one request alone may exceed; 0: unlimited.
    """

    requests: int
    audio_seconds: float = 0.0


class Slot:
    """The slot of one request, with its progress."""

    def __init__(self, speed: Speed, changed: Callable[[], None], announced: float | None) -> None:
        self._speed = speed
        self._changed = changed
        self._duration = announced
        self._position = 0.0
        self._decoding = False

    def started(self, now: float, duration: float) -> None:
        """Record that decoding of so many seconds of audio starts; before that, the file is still being uploaded."""
        if not self._decoding:
            self._speed.begin(now)
        self._decoding = True
        self._duration = duration
        self._changed()

    def reached(self, now: float, position: float) -> None:
        """Record the progress of decoding, in seconds of audio."""
        step = position - self._position
        if step > 0:
            self._position = position
            self._speed.decoded(now, min(step, _LONGEST_STEP_S))
            self._changed()

    def ended(self, now: float) -> None:
        """Record that the slot is released."""
        if self._decoding:
            self._speed.end(now)

    @property
    def decoding(self) -> bool:
        """Whether decoding has started, and the duration is therefore known."""
        return self._decoding

    @property
    def duration(self) -> float | None:
        """Seconds of audio: measured, else announced by the client; None if unknown."""
        return self._duration

    @property
    def audio_left(self) -> float | None:
        """Seconds of audio not yet decoded; None if the duration is unknown."""
        return None if self._duration is None else max(0.0, self._duration - self._position)


@dataclass(eq=False)
class _Waiter:
    audio_seconds: float | None
    since: float
    turn: asyncio.Future[Slot] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Slots:
    """A fixed number of slots with a queue.

    Invariant: a request waits only while all slots are in use. A released slot goes directly to the first request in
    the queue, so that no new request overtakes it.
    """

    def __init__(self, capacity: int, bounds: Bounds, clock: Callable[[], float]) -> None:
        self.capacity = capacity
        self._bounds = bounds
        self._clock = clock
        self._speed = Speed()
        self._typical = 0.0
        self._acquired: set[Slot] = set()
        self._waiting: dict[_Waiter, None] = {}  # ordered, and a waiter leaves it in constant time
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._next_change = asyncio.Event()

    @property
    def busy(self) -> int:
        """Number of slots in use."""
        return len(self._acquired)

    @property
    def closed(self) -> bool:
        """Whether requests are rejected because the server is shutting down."""
        return self._closed

    def load(self) -> Load:
        """Return the present load. A recording of unknown duration counts as one of typical duration."""
        oldest = next(iter(self._waiting), None)
        return Load(
            held=0,
            waiting=len(self._waiting),
            working=self.busy,
            slots=self.capacity,
            audio_seconds_waiting=self._audio_waiting,
            audio_seconds_working=self._sum(slot.audio_left for slot in self._acquired),
            audio_seconds_per_second=self._speed.audio_seconds_per_second,
            oldest_wait_seconds=self._clock() - oldest.since if oldest else 0.0,
        )

    async def acquire(self, announced: float | None = None) -> Slot:
        """Acquire a slot, waiting for it in the queue.

        Args:
            announced: The client's estimate of the recording's duration in seconds, if it gave one.

        Raises:
            Problem: `busy`, with the seconds to retry after: the queue is full, or the server is shutting down.
        """
        if self._closed:
            raise _stopping()
        if self.busy < self.capacity:
            return self._occupy(announced)
        if not self._fits(announced):
            raise Problem("busy", "The queue is full.", retry_after=retry_after(self.load()))
        waiter = _Waiter(announced, self._clock())
        self._waiting[waiter] = None
        self._changed()
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            if waiter in self._waiting:
                del self._waiting[waiter]
                self._changed()
            elif not waiter.turn.cancelled() and not waiter.turn.exception():
                self.release(waiter.turn.result())  # the client disconnected just as its turn came
            raise

    def release(self, slot: Slot) -> None:
        """Release a slot; the first request in the queue gets it."""
        slot.ended(self._clock())
        self._learn(slot)
        self._acquired.discard(slot)
        if waiter := self._first():
            waiter.turn.set_result(self._occupy(waiter.audio_seconds))
        if not self._acquired:
            self._idle.set()
        self._changed()

    def close(self) -> None:
        """Reject new and waiting requests; requests with a slot continue."""
        self._closed = True
        while waiter := self._first():
            waiter.turn.set_exception(_stopping())
        self._changed()

    async def idle(self) -> None:
        """Wait until no slot is in use."""
        await self._idle.wait()

    async def change(self) -> None:
        """Wait until the load changes, other than by the passing of time, or the server begins to shut down."""
        await self._next_change.wait()

    @property
    def _audio_waiting(self) -> float:
        return self._sum(waiter.audio_seconds for waiter in self._waiting)

    def _sum(self, durations: Iterable[float | None]) -> float:
        return sum((self._typical if seconds is None else seconds for seconds in durations), 0.0)

    def _fits(self, announced: float | None) -> bool:
        if len(self._waiting) >= self._bounds.requests:
            return False
        audio_seconds = self._audio_waiting + self._sum([announced])
        return not self._waiting or not self._bounds.audio_seconds or audio_seconds <= self._bounds.audio_seconds

    def _first(self) -> _Waiter | None:
        """Remove and return the first request in the queue whose client is still connected."""
        while self._waiting:
            waiter = next(iter(self._waiting))
            del self._waiting[waiter]
            if not waiter.turn.done():
                return waiter
        return None

    def _occupy(self, announced: float | None) -> Slot:
        slot = Slot(self._speed, self._changed, announced)
        self._acquired.add(slot)
        self._idle.clear()
        self._changed()
        return slot

    def _learn(self, slot: Slot) -> None:
        if slot.decoding and slot.duration:
            weight = _LATEST_WEIGHT if self._typical else 1.0
            self._typical += weight * (slot.duration - self._typical)

    def _changed(self) -> None:
        change, self._next_change = self._next_change, asyncio.Event()
        change.set()


def _stopping() -> Problem:
    return Problem("busy", "The server is shutting down.", retry_after=STOPPING_S)
