"""How many seconds of audio are in progress, and the `Retry-After` computed from them."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


RETRY_AFTER_SPOOL_FULL_S = 30
_LONGEST_RETRY_AFTER = 600


_SMOOTHING = 0.2


_SHORTEST_TELLING = 0.1


class Backlog:
    """Seconds of audio on their way to a transcript, and how fast Whisper has lately been.

    Attributes:
        waiting: Seconds of audio for which no pod has been found yet.
        working: Seconds of audio that pods are at.
    """

    def __init__(self) -> None:
        self.waiting = 0.0
        self.working = 0.0
        self._pace = 0.25  # seconds of work per second of audio; measured from the first transcript on
        self._usual_length = 10.0  # seconds of audio per request, likewise

    @contextmanager
    def entry(self, seconds: float) -> Iterator[Callable[[], None]]:
        """Account for a recording: it waits, and once the function that is given is called a pod is at it."""
        at_work = False

        def start() -> None:
            nonlocal at_work
            at_work = True
            self.waiting -= seconds
            self.working += seconds

        self.waiting += seconds
        try:
            yield start
        finally:
            if at_work:
                self.working -= seconds
            else:
                self.waiting -= seconds

    def observe(self, audio_seconds: float, work_seconds: float) -> None:
        """Learn from a transcript, unless it is too short to tell: exponentially smoothed pace and length."""
        if audio_seconds >= _SHORTEST_TELLING:
            self._pace += _SMOOTHING * (work_seconds / audio_seconds - self._pace)
            self._usual_length += _SMOOTHING * (audio_seconds - self._usual_length)

    def seconds_left(self, queued: int, slots: int) -> int:
        """Estimate in how many whole seconds (1 to 600) what is there now will be done.

        Args:
            queued: Requests that wait before their audio is read; each counts with the usual length.
            slots: Transcriptions that run side by side.
        """
        audio = self.waiting + self.working + queued * self._usual_length
        return min(_LONGEST_RETRY_AFTER, max(1, math.ceil(audio * self._pace / slots)))
