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

    from speechwhisper.recognition.speech import Span
    from speechwhisper.recognition.transcript import Segment

_MARGIN_S = 0.2
"""Kept before and after the detected speech."""
_DETECTOR_MARGIN_S = 0.4
"""`speech_pad_ms` of faster-whisper's VadOptions, which the spans include."""
_MIN_SEGMENT_S = 0.02


class SpeechTimes:
    """Narrows one segment after the other; none is emptied, none overlaps the one before.

    Args:
        spans: The stretches of speech, in order, with the detector's margin.
        duration: Of the recording, in seconds.
    """

    def __init__(self, spans: Sequence[Span], duration: float) -> None:
        excess = _DETECTOR_MARGIN_S - _MARGIN_S
        self._starts = [span.start / RATE + (excess if span.start else 0.0) for span in spans]
        self._ends = [min(span.end / RATE, duration) for span in spans]
        self._ends = [end - (excess if end < duration else 0.0) for end in self._ends]
        self._duration = duration
        self._last_end = 0.0

    def narrow(self, segment: Segment) -> Segment:
        """Return the segment with times within its speech; with word times, or without detected speech, as it is."""
        # Whisper may end its last segment at the end of its window, far beyond that of the recording.
        start, end = segment.start, min(segment.end, self._duration)
        if not segment.words:
            first, last = bisect_right(self._ends, start), bisect_left(self._starts, end) - 1
            if first <= last:
                start, end = max(start, self._starts[first]), min(end, self._ends[last])
        start = max(start, min(self._last_end, self._duration - _MIN_SEGMENT_S), 0.0)
        self._last_end = end = max(end, start + _MIN_SEGMENT_S)
        return replace(segment, start=start, end=end)
