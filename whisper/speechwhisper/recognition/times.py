"""Narrows the times of segments to the speech in them.

Whisper's segments often begin where the last one ended, and last until the next: the pause before a sentence, and that
after it, appear to be spoken. The voice activity detector knows better.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING

from speechwhisper.audio.tracks import RATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechwhisper.recognition.blocks import Span
    from speechwhisper.recognition.transcript import Segment

MARGIN_S = 0.4
"""Before and after speech, passed to the model."""
_EXCESS_S = 0.2
"""What a segment leaves of that margin."""
_MIN_SEGMENT_S = 0.02
_ROUNDING_S = 0.01
"""A block ends with a frame, its speech with a sample."""


class SpeechTimes:
    """Narrows one segment after the other; none is emptied, none overlaps the one before."""

    def __init__(self) -> None:
        self._last_end = 0.0

    def narrow(self, segment: Segment, spans: Sequence[Span], end_of_block: float, *, last: bool = False) -> Segment:
        """Return the segment with times within its speech; with word times, or without detected speech, as it is.

        Args:
            segment: As decoded.
            spans: The speech in its block, with the margin, in order.
            end_of_block: In seconds. Whisper may end its last segment at the end of its window, far beyond.
            last: Whether the block ends with the recording, as its speech may.
        """
        start, end = segment.start, min(segment.end, end_of_block)
        if not segment.words:
            starts = [span.start / RATE + (_EXCESS_S if span.start else 0.0) for span in spans]
            ends = [min(span.end / RATE - _EXCESS_S, end_of_block) for span in spans]
            if last and spans and spans[-1].end / RATE >= end_of_block - _ROUNDING_S:
                ends[-1] = end_of_block
            begin, final = bisect_right(ends, start), bisect_left(starts, end) - 1
            if begin <= final:
                start, end = max(start, starts[begin]), min(end, ends[final])
        start = max(start, min(self._last_end, end_of_block - _MIN_SEGMENT_S), 0.0)
        self._last_end = end = max(end, start + _MIN_SEGMENT_S)
        return replace(segment, start=start, end=end)
