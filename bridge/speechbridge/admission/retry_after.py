"""When a rejected client should retry: the values of `Retry-After`, fixed or computed from the audio in progress."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RETRY_AFTER_STOPPING_S = 1  # another bridge is ready at once
RETRY_AFTER_OUTAGE_S = 5  # about the time that a pod needs to restart
RETRY_AFTER_SPOOL_FULL_S = 30
RETRY_AFTER_MEMORY_FULL_S = 5
_MAX_RETRY_AFTER_S = 600

_SMOOTHING = 0.2  # the weight of the latest transcript in the averages
_MIN_AUDIO_S = 0.1  # shorter recordings say nothing about the pace
_INITIAL_PACE = 0.25  # seconds of work per second of audio, until there is a transcript
_INITIAL_AUDIO_S = 10.0  # per request, likewise
_TRANSCRIPTS_FOR_A_PACE = 5  # before them the pace is a guess


class Backlog:
    """Seconds of audio in progress, and Whisper's recent pace.

    Attributes:
        waiting: Seconds of audio without a pod.
        working: Seconds of audio being transcribed.
    """

    def __init__(self) -> None:
        self.waiting = 0.0
        self.working = 0.0
        self._pace = _INITIAL_PACE
        self._mean_audio = _INITIAL_AUDIO_S
        self._observed = 0

    @property
    def pace(self) -> float | None:
        """Seconds of work per second of audio; None until enough transcripts were observed."""
        return self._pace if self._observed >= _TRANSCRIPTS_FOR_A_PACE else None

    @contextmanager
    def entry(self, seconds: float) -> Iterator[Callable[[], None]]:
        """Account for a recording: it is waiting until the yielded function is called, then being transcribed."""
        working = False

        def start() -> None:
            nonlocal working
            working = True
            self.waiting -= seconds
            self.working += seconds

        self.waiting += seconds
        try:
            yield start
        finally:
            if working:
                self.working -= seconds
            else:
                self.waiting -= seconds

    def observe(self, audio_seconds: float, work_seconds: float) -> None:
        """Update the exponential moving averages of pace and duration with a transcript, unless it is too short."""
        if audio_seconds >= _MIN_AUDIO_S:
            self._observed += 1
            self._pace += _SMOOTHING * (work_seconds / audio_seconds - self._pace)
            self._mean_audio += _SMOOTHING * (audio_seconds - self._mean_audio)

    def retry_after(self, queued: int, slots: int) -> int:
        """Estimate the whole seconds (1 to 600) until the requests in progress are done.

        Args:
            queued: Requests whose audio has not been read yet; each counts with the mean duration.
            slots: Concurrent transcriptions of all pods.
        """
        audio = self.waiting + self.working + queued * self._mean_audio
        return min(_MAX_RETRY_AFTER_S, max(1, math.ceil(audio * self._pace / slots)))
