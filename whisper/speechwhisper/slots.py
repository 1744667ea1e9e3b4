"""The slots in which jobs run, their progress, and the `Retry-After` computed from it; no I/O."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING

from speechwhisper.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_RETRY_AFTER_S = 600
_RETRY_AFTER_STOPPING_S = 1

_INITIAL_FACTOR = 0.25
"""Seconds of work per second of audio before the first measurement: a small model on a few CPU cores."""

_SMOOTHING = 0.3
"""Weight of the latest job in the moving average."""


class Speed:
    """The realtime factor: seconds of work per second of audio, a moving average over jobs."""

    def __init__(self) -> None:
        self.realtime_factor = _INITIAL_FACTOR
        self._measured = False

    def observe(self, audio_seconds: float, work_seconds: float) -> None:
        """Include a finished job."""
        if audio_seconds <= 0 or work_seconds <= 0:
            return
        latest = work_seconds / audio_seconds
        weight = _SMOOTHING if self._measured else 1.0
        self.realtime_factor += weight * (latest - self.realtime_factor)
        self._measured = True


class Slot:
    """The slot of one job, with the job's progress."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._duration: float | None = None
        self._position = 0.0

    def started(self, now: float, duration: float) -> None:
        """Record that decoding of so many seconds of audio starts; before that, the file is still uploading."""
        self._since, self._duration = now, duration

    def reached(self, now: float, position: float) -> None:
        """Record the progress of decoding, in seconds of audio."""
        self._since, self._position = now, position

    @property
    def audio_left(self) -> float:
        """Seconds of audio not yet decoded; 0 while the duration is unknown."""
        return max(0.0, (self._duration or 0.0) - self._position)

    def seconds_left(self, now: float, realtime_factor: float) -> float:
        """Return the estimated seconds until the job is done."""
        return max(0.0, self.audio_left * realtime_factor - (now - self._since))


class Slots:
    """A fixed number of slots. Requests wait for a limited time for a free one, first come, first served."""

    def __init__(self, capacity: int, clock: Callable[[], float]) -> None:
        self.capacity = capacity
        self.speed = Speed()
        self._clock = clock
        self._acquired: set[Slot] = set()
        self._waiting: deque[asyncio.Future[Slot]] = deque()
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def busy(self) -> int:
        """Number of slots in use."""
        return len(self._acquired)

    @property
    def closed(self) -> bool:
        """Whether new jobs are rejected because the server is shutting down."""
        return self._closed

    @property
    def audio_left(self) -> float:
        """Seconds of audio that running jobs have yet to decode."""
        return sum(slot.audio_left for slot in self._acquired)

    def close(self) -> None:
        """Reject new and waiting requests; running jobs continue."""
        self._closed = True
        while self._waiting:
            self._waiting.popleft().set_exception(self._rejection())

    async def acquire(self, max_wait: float = 0.0) -> Slot:
        """Acquire a slot.

        Args:
            max_wait: Seconds to wait for a free one.

        Raises:
            Problem: `busy`, with the seconds to retry after: none was free in time, or the server is shutting down.
        """
        if not self._closed and self.busy < self.capacity:
            return self._occupy()
        if self._closed or not max_wait:
            raise self._rejection()
        turn: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait([turn], timeout=max_wait)
        except asyncio.CancelledError:
            if turn.done() and turn.exception() is None:  # the client disconnected just as its turn came
                self.release(turn.result())
            raise
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)
        if not turn.done():
            raise self._rejection()
        return turn.result()

    def release(self, slot: Slot) -> None:
        """Release a slot; the longest-waiting request gets it at once, so that no new request overtakes it."""
        self._acquired.discard(slot)
        if self._waiting:
            self._waiting.popleft().set_result(self._occupy())
        if not self._acquired:
            self._idle.set()

    async def idle(self) -> None:
        """Wait until no slot is in use."""
        await self._idle.wait()

    def retry_after(self) -> int:
        """Return the estimated whole seconds until the first running job is done, from 1 to 600."""
        now = self._clock()
        soonest = min((slot.seconds_left(now, self.speed.realtime_factor) for slot in self._acquired), default=0.0)
        return min(_LONGEST_RETRY_AFTER_S, max(1, math.ceil(soonest)))

    def _occupy(self) -> Slot:
        slot = Slot(self._clock())
        self._acquired.add(slot)
        self._idle.clear()
        return slot

    def _rejection(self) -> Problem:
        if self._closed:
            return Problem("busy", "The server is shutting down.", retry_after=_RETRY_AFTER_STOPPING_S)
        return Problem("busy", "All slots are busy.", retry_after=self.retry_after())
