"""How fast a device decodes, all requests together; no I/O."""

from __future__ import annotations

_HALF_LIFE_S = 120.0
"""Seconds of work after which a measurement counts half."""


class Speed:
    """Seconds of audio decoded per second in which a device was decoding, one batch or several at the same time.

    Audio and working time are summed, and both sums decay with the working time. So an hour of audio weighs more than a
    clip of a second, and idle time changes nothing.
    """

    def __init__(self) -> None:
        self._audio = 0.0
        self._work = 0.0
        self._batches = 0
        """Being decoded."""
        self._at = 0.0

    @property
    def audio_seconds_per_second(self) -> float:
        """The speed of all batches together; 0 before the first measurement."""
        return self._audio / self._work if self._work else 0.0

    def begin(self, now: float) -> None:
        """Begin a batch; `now` is in seconds, by any clock that never goes back."""
        self._work_until(now)
        self._batches += 1

    def end(self, audio_seconds: float, now: float) -> None:
        """End a batch; its audio counts once, however often it is decoded again."""
        self._work_until(now)
        self._batches -= 1
        self._audio += audio_seconds

    def _work_until(self, now: float) -> None:
        if self._batches:
            seconds = now - self._at
            decay = 0.5 ** (seconds / _HALF_LIFE_S)
            self._audio *= decay
            self._work = self._work * decay + seconds
        self._at = now
