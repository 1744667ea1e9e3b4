"""How fast this server decodes, all its jobs together; no I/O."""

from __future__ import annotations

_HALF_LIFE_S = 120.0
"""Seconds of work after which a measurement counts half."""


class Speed:
    """Seconds of audio decoded per second in which at least one job was decoding.

    Audio and working time are summed, and both sums decay with the working time. So an hour of audio weighs more than a
    clip of a second, jobs that run at the same time add up, and idle time changes nothing.
    """

    def __init__(self) -> None:
        self.audio_seconds_per_second = 0.0
        """0 before the first measurement."""
        self._audio = 0.0
        self._busy = 0.0
        self._jobs = 0
        self._since = 0.0

    def begin(self, now: float) -> None:
        """Record that a job starts to decode."""
        self._advance(now)
        self._jobs += 1

    def end(self, now: float) -> None:
        """Record that a job ends."""
        self._advance(now)
        self._jobs -= 1

    def decoded(self, now: float, audio_seconds: float) -> None:
        """Record that a job has decoded more audio."""
        self._advance(now)
        self._audio += audio_seconds
        if self._busy > 0:
            self.audio_seconds_per_second = self._audio / self._busy

    def _advance(self, now: float) -> None:
        elapsed = now - self._since
        self._since = now
        if self._jobs:
            decay: float = 0.5 ** (elapsed / _HALF_LIFE_S)
            self._audio *= decay
            self._busy = self._busy * decay + elapsed
