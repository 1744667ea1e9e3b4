"""Keeps decoded audio at the times that its container states: pure functions.

A decoder returns one frame after the other, whatever lies between their timestamps. If audio starts later than the
video, or packets were damaged, lost or never sent (discontinuous transmission), all that follows would be too early.
Here these gaps become silence of the same length.
"""

from __future__ import annotations

from dataclasses import dataclass

_MIN_GAP_S = 0.1
"""Shorter ones are encoder delay, rounding of timestamps or jitter."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch without audio data, from `start` to `end` in seconds.

    Attributes:
        damaged: Whether the file is damaged there; otherwise it has no data there.
    """

    start: float
    end: float
    damaged: bool = False

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.end - self.start


class Clock:
    """The position in a recording, and the gaps before it.

    Args:
        origin: Timestamp in seconds at which the recording begins, that of the container's earliest stream; None if
            unknown: the first timestamp.
        max_gap: Longest gap in seconds. A greater jump is a discontinuity: the timestamps start over, as they do when
            they jump back, in chained or concatenated files.
    """

    def __init__(self, origin: float | None, max_gap: float) -> None:
        self.position = 0.0
        self.gaps: list[Gap] = []
        self._origin = origin
        self._max_gap = max_gap

    def gap_before(self, timestamp: float | None, *, damaged: bool = False) -> float:
        """Return the seconds of silence to insert before a frame, and advance by them.

        Args:
            timestamp: The frame's, in seconds; None if it has none.
            damaged: Whether data between this frame and the last one could not be decoded.
        """
        if timestamp is None:
            return 0.0
        if self._origin is None:
            self._origin = timestamp - self.position
        gap = timestamp - self._origin - self.position
        if gap < -_MIN_GAP_S or gap > self._max_gap:
            self._origin = timestamp - self.position
            return 0.0
        if gap <= _MIN_GAP_S:
            return 0.0
        self.gaps.append(Gap(self.position, self.position + gap, damaged))
        self.position += gap
        return gap

    def advance(self, seconds: float) -> None:
        """Advance by the duration of a frame."""
        self.position += seconds
