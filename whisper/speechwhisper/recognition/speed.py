"""How fast the model decodes, all requests together; no I/O."""

from __future__ import annotations

_HALF_LIFE_S = 120.0
"""Seconds of work after which a measurement counts half."""


class Speed:
    """Seconds of audio decoded per second in which a thread of the model was decoding.

    Audio and working time are summed, and both sums decay with the working time. So an hour of audio weighs more than a
    clip of a second, and idle time changes nothing.
    """

    def __init__(self) -> None:
        self._audio = 0.0
        self._work = 0.0

    @property
    def audio_seconds_per_second(self) -> float:
        """The speed of one thread; 0 before the first measurement."""
        return self._audio / self._work if self._work else 0.0

    def decoded(self, audio_seconds: float, work_seconds: float) -> None:
        """Include a decoded batch; its audio counts once, however often it is decoded again."""
        decay = 0.5 ** (work_seconds / _HALF_LIFE_S)
        self._audio = self._audio * decay + audio_seconds
        self._work = self._work * decay + work_seconds
