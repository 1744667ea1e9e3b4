"""When a rejected client should retry: the values of `Retry-After`, fixed or computed from the audio in progress."""

from __future__ import annotations

import math
from statistics import fmean
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RETRY_AFTER_STOPPING_S = 1  # another bridge is ready at once
_RETRY_AFTER_OUTAGE_S = 5  # about the time that a pod needs to restart
RETRY_AFTER_SPOOL_FULL_S = 30
RETRY_AFTER_MEMORY_FULL_S = 5
_MAX_RETRY_AFTER_S = 600

_SMOOTHING = 0.2  # the weight of the latest transcript in the mean duration
_INITIAL_PACE = 0.25  # seconds of work per second of audio, until there is a transcript
_INITIAL_AUDIO_S = 10.0  # per request, likewise; also what the initial pace counts for
_PACE_WINDOW_S = 600.0  # seconds of audio after which an earlier transcript counts a third (1/e) for the pace
_TRANSCRIPTS_FOR_A_PACE = 5  # before them the pace is a guess
_LONG_S = 60.0
"""Seconds from which on a recording tells how long others take: two of Whisper's windows of 30 s. On a CPU a command of
a second takes about as long as a whole window."""
_PACE_LASTS_S = 600.0  # after it no recording is rejected: others may have used the pods when the pace was measured


def retry_after_outage(remaining: float | None) -> int:
    """Return the whole seconds (5 to 600) after which to try again while no pod can be reached.

    Args:
        remaining: Estimated seconds until one can be, None if unknown.
    """
    return min(_MAX_RETRY_AFTER_S, max(_RETRY_AFTER_OUTAGE_S, math.ceil(remaining or 0.0)))


class Backlog:
    """Seconds of audio in progress, and how fast Whisper is.

    Its speed is what its pods report. Only for engines that report none it is estimated from the time that each request
    took: that is longer while a pod works on several of them. So once a pod has reported, the time of the requests no
    longer counts as a speed, even while there is no pod.

    Args:
        speeds: Returns the speed that each pod reports, in seconds of audio per second of all its requests together: 0
            before its first measurement, empty if no pod reports any.
        clock: Seconds of a monotonic clock.

    Attributes:
        waiting: Seconds of audio without a pod.
        working: Seconds of audio being transcribed.
    """

    def __init__(self, speeds: Callable[[], Sequence[float]] = tuple, clock: Callable[[], float] = monotonic) -> None:
        self._speeds = speeds
        self._clock = clock
        self.waiting = 0.0
        self.working = 0.0
        self._arriving: dict[object, Callable[[], float]] = {}
        self._audio = _INITIAL_AUDIO_S
        self._work = _INITIAL_AUDIO_S * _INITIAL_PACE
        self._mean_audio = _INITIAL_AUDIO_S
        self._observed = 0
        self._long = _LongRecordings(clock)
        self._have_reported = False
        self._last_speed: float | None = None

    @property
    def pace(self) -> float:
        """Seconds per second of audio that requests took: a quotient of sums, since an hour weighs more than a command.

        Of each request by itself: it grows with the number of requests that a pod works on together.
        """
        return self._work / self._audio

    @property
    def speed(self) -> float | None:
        """Mean speed of the pods in seconds of audio per second, None until it is measured."""
        speeds = self._reported()
        if self._have_reported:
            return fmean(filter(None, speeds)) if any(speeds) else None
        return 1 / self.pace if self._observed >= _TRANSCRIPTS_FOR_A_PACE and self.pace else None

    @property
    def best_pace(self) -> float | None:
        """Seconds per second of a long recording on the fastest pod, were it idle; None if that is unknown.

        It is unknown unless long recordings (60 s) were transcribed in the last 10 minutes: the speed that a pod
        reports is much too low after short ones, and requests that share a pod take longer than they would alone.
        Engines that report no speed need five of them.
        """
        speeds = self._reported()
        if self._have_reported:
            long = self._long.pace(at_least=1)
            return min(1 / max(speeds), long) if any(speeds) and long is not None else None
        return self._long.pace(at_least=_TRANSCRIPTS_FOR_A_PACE)

    def _reported(self) -> Sequence[float]:
        speeds = self._speeds()
        self._have_reported |= bool(speeds)
        if any(speeds):
            self._last_speed = fmean(filter(None, speeds))
        return speeds

    @property
    def mean_audio(self) -> float:
        """Mean duration of recent recordings, in seconds."""
        return self._mean_audio

    def pending(self, queued: int) -> float:
        """Return the seconds of audio for which no pod works yet, including uploads in progress.

        Args:
            queued: Requests that wait for admission; each counts with the mean duration.
        """
        return self.waiting + sum(seconds() for seconds in self._arriving.values()) + queued * self._mean_audio

    def arriving(self, seconds: Callable[[], float]) -> _Arriving:
        """Account for an upload during a block (`with`).

        Args:
            seconds: Returns the estimated duration of what has arrived.
        """
        return _Arriving(self._arriving, seconds)

    def entry(self, seconds: float) -> _Entry:
        """Account for a recording during a block: `with backlog.entry(seconds) as start`.

        It is waiting until `start` is called, then being transcribed.
        """
        return _Entry(self, seconds)

    def observe(self, audio_seconds: float, work_seconds: float) -> None:
        """Record a transcript, and how long the pod worked on it."""
        if audio_seconds <= 0:
            return
        self._reported()
        self._observed += 1
        if audio_seconds >= _LONG_S:
            self._long.observe(audio_seconds, work_seconds)
        kept = math.exp(-audio_seconds / _PACE_WINDOW_S)
        self._audio = self._audio * kept + audio_seconds
        self._work = self._work * kept + work_seconds
        self._mean_audio += _SMOOTHING * (audio_seconds - self._mean_audio)

    def retry_after(self, queued: int, slots: int) -> int:
        """Estimate the whole seconds (1 to 600) until the requests in progress are done.

        Args:
            queued: Requests that wait for admission; each counts with the mean duration.
            slots: Concurrent transcriptions of all pods; only used if none reports its speed.
        """
        audio = self.working + self.pending(queued)
        seconds = audio / self._speed_of_all(slots)
        return min(_MAX_RETRY_AFTER_S, max(1, math.ceil(min(seconds, _MAX_RETRY_AFTER_S))))

    def _speed_of_all(self, slots: int) -> float:
        """Return the speed of all pods together; one that has not measured its own counts as the mean of the others."""
        speeds = self._reported()
        if any(speeds):
            mean = fmean(filter(None, speeds))
            return sum(speed or mean for speed in speeds)
        if self._last_speed:  # the pods are being replaced, or there is none
            return self._last_speed * max(1, len(speeds))
        together = len(speeds) or slots  # the slots of a pod that reports share its speed
        return together / self.pace if self.pace else math.inf


class _LongRecordings:
    """How long recordings of at least a minute took; forgotten when there was none for 10 minutes."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._observed_at = 0.0
        self._observed = 0
        self._audio = 0.0
        self._work = 0.0

    def observe(self, audio_seconds: float, work_seconds: float) -> None:
        if self._outdated:
            self._observed, self._audio, self._work = 0, 0.0, 0.0
        kept = math.exp(-audio_seconds / _PACE_WINDOW_S)
        self._observed_at = self._clock()
        self._observed += 1
        self._audio = self._audio * kept + audio_seconds
        self._work = self._work * kept + work_seconds

    def pace(self, at_least: int) -> float | None:
        """Return their seconds per second of audio, None if fewer than so many were observed."""
        if self._outdated or self._observed < at_least:
            return None
        return self._work / self._audio

    @property
    def _outdated(self) -> bool:
        return self._clock() - self._observed_at >= _PACE_LASTS_S


class _Arriving:
    def __init__(self, arriving: dict[object, Callable[[], float]], seconds: Callable[[], float]) -> None:
        self._arriving = arriving
        self._seconds = seconds

    def __enter__(self) -> None:
        self._arriving[self] = self._seconds

    def __exit__(self, *_: object) -> None:
        del self._arriving[self]


class _Entry:
    def __init__(self, backlog: Backlog, seconds: float) -> None:
        self._backlog = backlog
        self._seconds = seconds
        self._working = False

    def __enter__(self) -> Callable[[], None]:
        self._backlog.waiting += self._seconds
        return self._start

    def __exit__(self, *_: object) -> None:
        if self._working:
            self._backlog.working -= self._seconds
        else:
            self._backlog.waiting -= self._seconds

    def _start(self) -> None:
        self._working = True
        self._backlog.waiting -= self._seconds
        self._backlog.working += self._seconds
