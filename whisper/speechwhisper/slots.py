"""How many jobs run, how far they are, and when one will be done: accounting without I/O."""

import asyncio
import math
from collections import deque
from collections.abc import Callable

from speechwhisper.errors import BusyError

_FIRST_GUESS = 4.0
"""Audio seconds decoded per second before anything was measured: a small model on a few CPU cores."""

_WEIGHT = 0.3
"""Weight of the newest job in the running mean."""

_LONGEST_WAIT = 3600


class Speed:
    """The realtime factor: audio seconds decoded per second, a running mean over jobs."""

    def __init__(self) -> None:
        self.factor = _FIRST_GUESS
        self._measured = False

    def measured(self, audio_seconds: float, elapsed: float) -> None:
        """Take a finished job into account."""
        if audio_seconds <= 0 or elapsed <= 0:
            return
        newest = audio_seconds / elapsed
        self.factor = newest if not self._measured else self.factor + _WEIGHT * (newest - self.factor)
        self._measured = True


class Slot:
    """One job's place."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._duration: float | None = None
        self._position = 0.0

    def started(self, now: float, duration: float) -> None:
        """Note that decoding of that many seconds starts; until then the job is still an upload."""
        self._since, self._duration = now, duration

    def reached(self, now: float, position: float) -> None:
        """Note how far decoding has come, in seconds of audio."""
        self._since, self._position = now, position

    @property
    def audio_left(self) -> float:
        """Seconds of audio not decoded yet; 0 while the length is unknown."""
        return max(0.0, (self._duration or 0.0) - self._position)

    def seconds_left(self, now: float, factor: float) -> float:
        """Return the seconds until the job should be done, given the realtime factor."""
        return max(0.0, self.audio_left / factor - (now - self._since))


class Slots:
    """A fixed number of places. Requests that find none free wait for a limited time, first come first served."""

    def __init__(self, capacity: int, clock: Callable[[], float]) -> None:
        self.capacity = capacity
        self.speed = Speed()
        self._clock = clock
        self._taken: set[Slot] = set()
        self._waiting: deque[asyncio.Future[Slot]] = deque()
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def busy(self) -> int:
        """Places that are taken."""
        return len(self._taken)

    @property
    def closed(self) -> bool:
        """Whether no new job is taken because the server is about to stop."""
        return self._closed

    @property
    def audio_left(self) -> float:
        """Seconds of audio that running jobs still have before them."""
        return sum(slot.audio_left for slot in self._taken)

    def close(self) -> None:
        """Take no new job, and refuse those that wait; running ones are not touched."""
        self._closed = True
        while self._waiting:
            self._waiting.popleft().set_exception(self._refusal())

    async def take(self, patience: float = 0.0) -> Slot:
        """Take a place.

        Args:
            patience: seconds to wait for one.

        Raises:
            BusyError: none was free in time, or the server is stopping; with the seconds after which to try again.
        """
        if not self._closed and self.busy < self.capacity:
            return self._occupy()
        if self._closed or not patience:
            raise self._refusal()
        turn: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait([turn], timeout=patience)
        except asyncio.CancelledError:
            if turn.done() and turn.exception() is None:  # the client left at the moment of its turn
                self.release(turn.result())
            raise
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)
        if not turn.done():
            raise self._refusal()
        return turn.result()

    def release(self, slot: Slot) -> None:
        """Give a place back: the request that has waited longest gets it at once, so that nobody overtakes it."""
        self._taken.discard(slot)
        if self._waiting:
            self._waiting.popleft().set_result(self._occupy())
        if not self._taken:
            self._idle.set()

    async def idle(self) -> None:
        """Wait until no place is taken."""
        await self._idle.wait()

    def retry_after(self) -> int:
        """Return whole seconds until the first running job should be done, at least 1."""
        now = self._clock()
        soonest = min((slot.seconds_left(now, self.speed.factor) for slot in self._taken), default=0.0)
        return min(_LONGEST_WAIT, max(1, math.ceil(soonest)))

    def _occupy(self) -> Slot:
        slot = Slot(self._clock())
        self._taken.add(slot)
        self._idle.clear()
        return slot

    def _refusal(self) -> BusyError:
        if self._closed:
            return BusyError("the server is stopping", 1)
        return BusyError("all slots are busy", self.retry_after())
