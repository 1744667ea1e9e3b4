"""When a request has taken too long: it makes no progress, or its total time is used up.

Progress is whatever shows that work goes on: bytes of the upload, segments of the transcript, tokens of the answer. The
total limits the work alone: uploads have a minimum rate, queues a timeout of their own. Why:
`docs/decisions/0024-deadlines-by-progress.md`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


@dataclass(frozen=True)
class TimeLimits:
    """The limits of every request.

    Attributes:
        stall: REQUEST_TIMEOUT, the longest time without progress in seconds.
        per_audio_second: REQUEST_TIMEOUT_PER_AUDIO_SECOND, what each second of audio adds to the total.
    """

    stall: float
    per_audio_second: float

    @property
    def base(self) -> float:
        """The total for a request without audio, in seconds."""
        return 2 * self.stall

    def total(self, audio_seconds: float) -> float:
        """Return how long the work on a recording may take, in seconds."""
        return self.base + self.per_audio_second * audio_seconds

    def longest_audio(self, pace: float) -> float:
        """Return how many seconds of audio can be done within their total.

        Args:
            pace: Seconds of work per second of audio.
        """
        return self.base / (pace - self.per_audio_second) if pace > self.per_audio_second else float("inf")


class Deadline:
    """Limits the time of a request: `async with deadline` raises TimeoutError when a limit is reached.

    The timer is not moved when the limit becomes a later one, which would cost more than what is limited: it looks when
    it fires. It is moved if it would look too late, after progress. The total hardly ever shrinks, when a recording
    turns out to be shorter than estimated: then it may be noticed late, by less than the time of a stall.

    Attributes:
        limits: The limits of every request.
        expired: Which limit was reached, as a sentence for the client; empty while none was.
    """

    def __init__(self, limits: TimeLimits) -> None:
        self.expired = ""
        self._reporting = True
        self.limits = limits
        self._loop = asyncio.get_running_loop()
        self._timeout = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = 0.0
        self._progress_at = self._loop.time()
        self._working_since: float | None = None
        self._audio_seconds: Callable[[], float] = float

    @property
    def reporting(self) -> bool:
        """Whether work reports its progress; otherwise only the total limits it."""
        return self._reporting

    @reporting.setter
    def reporting(self, value: bool) -> None:
        self._reporting = value
        self._progress_at = self._loop.time()
        if self._progress_at + self.limits.stall < self._looks_at:
            self._check()

    def progress(self) -> None:
        """Record that something arrived."""
        self._progress_at = self._loop.time()

    def recording(self, seconds: Callable[[], float]) -> None:
        """Set the estimate of the recording's duration, which the total grows with; it is read when needed."""
        self._audio_seconds = seconds

    @property
    def audio_seconds(self) -> float:
        """The estimated duration of the recording, 0 before one has begun."""
        return self._audio_seconds()

    def extend(self, seconds: float) -> None:
        """Add a recording that many seconds long to the others."""
        before = self._audio_seconds()
        self._audio_seconds = lambda: before + seconds

    def stalls_within(self, audio_seconds: float) -> bool:
        """Return whether work that reports nothing until it is done may take longer than the time without progress.

        Args:
            audio_seconds: The duration of the recording.
        """
        return self.limits.per_audio_second * audio_seconds > self.limits.stall

    def begin(self) -> None:
        """Start the total: work begins."""
        self._working_since = self._progress_at = self._loop.time()
        if self._progress_at + self.limits.stall < self._looks_at:
            self._check()

    def suspend(self) -> None:
        """Stop the total: the rest of the upload is waited for."""
        self._working_since = None

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._looks_at = self._progress_at + self.limits.stall  # the total counts from `begin`
        self._timer = self._loop.call_at(self._looks_at, self._check)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._looks_at = 0.0
        self._audio_seconds = float  # no cycle with the request, which only the collector would free
        await self._timeout.__aexit__(kind, error, trace)

    def _check(self) -> None:
        """Expire, or look again when the next limit is due."""
        if self._timer is not None:
            self._timer.cancel()
        now = self._loop.time()
        stalls_at = self._progress_at + self.limits.stall
        seconds = self._audio_seconds()
        total = self.limits.total(seconds)
        ends_at = float("inf") if self._working_since is None else self._working_since + total
        if not self._reporting and self._working_since is not None:
            stalls_at = ends_at
        self._looks_at = min(stalls_at, ends_at)
        if now < self._looks_at:
            self._timer = self._loop.call_at(self._looks_at, self._check)
            return
        self._timer = None
        self.expired = (
            f"The request made no progress for {self.limits.stall:g} s (REQUEST_TIMEOUT)."
            if stalls_at < ends_at
            else f"The request took longer than {total:.10g} s: twice REQUEST_TIMEOUT, and"
            f" REQUEST_TIMEOUT_PER_AUDIO_SECOND for each of about {seconds:.0f} s of audio."
        )
        self._timeout.reschedule(now)
