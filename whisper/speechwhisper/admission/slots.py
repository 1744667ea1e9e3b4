"""The slots in which requests are decoded, and the bounded queue in front of them: first come, first served; no I/O."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from speechwhisper.admission.load import Load
from speechwhisper.admission.retry_after import STOPPING_S, retry_after
from speechwhisper.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
    """The slot of one request, with its progress.

    Separate channels are decoded each: a stereo recording of a minute is two minutes of audio.
    """

    def __init__(self, changed: Callable[[], None], announced: float | None, channels: int = 1) -> None:
        self._changed = changed
        self._duration = announced
        self._channels = channels
        self._position = 0.0
        self._finished = False

    def has_channels(self, channels: int) -> None:
        """Record how many channels are decoded separately; 1 if they are mixed."""
        if channels != self._channels:
            self._channels = channels
            self._changed()

    def reached(self, position: float) -> None:
        """Record the progress of decoding, in seconds of audio."""
        if position > self._position:
            self._position = position
            self._changed()

    def finished(self, duration: float) -> None:
        """Record that the whole recording is decoded, which lasts so many seconds."""
        self._duration = self._position = duration
        self._finished = True
        self._changed()

    @property
    def measured(self) -> float | None:
        """Seconds of audio that were decoded, over all channels; None before the end."""
        return self._duration * self._channels if self._finished and self._duration is not None else None

    @property
    def audio_left(self) -> float | None:
        """Seconds of audio not yet decoded, over all channels; None if the duration is unknown."""
        return None if self._duration is None else max(0.0, self._duration - self._position) * self._channels


@dataclass(eq=False)
class _Waiter:
    announced: float | None
    channels: int
    since: float
    turn: asyncio.Future[Slot] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def audio_seconds(self) -> float | None:
        return None if self.announced is None else self.announced * self.channels


class Slots:
    """A fixed number of slots with a queue.

    Invariant: a request waits only while all slots are in use. A released slot goes directly to the first request in
    the queue, so that no new request overtakes it.
    """

    def __init__(self, capacity: int, bounds: Bounds, clock: Callable[[], float], speed: Callable[[], float]) -> None:
        self.capacity = capacity
        self._bounds = bounds
        self._clock = clock
        self._speed = speed
        self._typical = 0.0
        self._acquired: set[Slot] = set()
        self._waiting: dict[_Waiter, None] = {}  # ordered, and a waiter leaves it in constant time
        self._closed = False
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
            audio_seconds_per_second=self._speed(),
            oldest_wait_seconds=self._clock() - oldest.since if oldest else 0.0,
        )

    async def acquire(self, announced: float | None = None, channels: int = 1) -> Slot:
        """Acquire a slot, waiting for it in the queue.

        Args:
            announced: The client's estimate of the recording's duration in seconds, if it gave one.
            channels: Number of channels that are decoded separately, as far as it is known.

        Raises:
            Problem: `busy`, with the seconds to retry after: the queue is full, or the server is shutting down.
        """
        if self._closed:
            raise _stopping()
        if self.busy < self.capacity:
            return self._occupy(announced, channels)
        waiter = _Waiter(announced, channels, self._clock())
        if not self._fits(waiter):
            raise Problem("busy", "The queue is full.", retry_after=retry_after(self.load()))
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
        self._learn(slot)
        self._acquired.discard(slot)
        if waiter := self._first():
            waiter.turn.set_result(self._occupy(waiter.announced, waiter.channels))
        self._changed()

    def close(self) -> None:
        """Reject new and waiting requests; requests with a slot continue."""
        self._closed = True
        while waiter := self._first():
            waiter.turn.set_exception(_stopping())
        self._changed()

    async def change(self) -> None:
        """Wait until the load changes, other than by the passing of time, or the server begins to shut down."""
        await self._next_change.wait()

    @property
    def _audio_waiting(self) -> float:
        return self._sum(waiter.audio_seconds for waiter in self._waiting)

    def _sum(self, durations: Iterable[float | None]) -> float:
        return sum((self._typical if seconds is None else seconds for seconds in durations), 0.0)

    def _fits(self, waiter: _Waiter) -> bool:
        if len(self._waiting) >= self._bounds.requests:
            return False
        audio_seconds = self._audio_waiting + self._sum([waiter.audio_seconds])
        return not self._waiting or not self._bounds.audio_seconds or audio_seconds <= self._bounds.audio_seconds

    def _first(self) -> _Waiter | None:
        """Remove and return the first request in the queue whose client is still connected."""
        while self._waiting:
            waiter = next(iter(self._waiting))
            del self._waiting[waiter]
            if not waiter.turn.done():
                return waiter
        return None

    def _occupy(self, announced: float | None, channels: int) -> Slot:
        slot = Slot(self._changed, announced, channels)
        self._acquired.add(slot)
        self._changed()
        return slot

    def _learn(self, slot: Slot) -> None:
        if slot.measured:
            weight = _LATEST_WEIGHT if self._typical else 1.0
            self._typical += weight * (slot.measured - self._typical)

    def _changed(self) -> None:
        change, self._next_change = self._next_change, asyncio.Event()
        change.set()


def _stopping() -> Problem:
    return Problem("busy", "The server is shutting down.", retry_after=STOPPING_S)
