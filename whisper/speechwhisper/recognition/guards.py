"""Guards against what Whisper invents (repetition loops, improbable text, text without speech) and speech without text.

Whisper retries a window that fails its checks at higher temperatures, and accepts the last attempt whatever it is
(openai-whisper, `whisper/transcribe.py`, `decode_with_fallback`). Here loops are cut (`loops`), and all
of it is reported.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition.judging import COMPRESSION_RATIO_THRESHOLD, MAX_CHARACTERS_PER_SECOND, Doubt
from speechwhisper.recognition.loops import without_loops

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechwhisper.recognition.blocks import Span
    from speechwhisper.recognition.transcript import Segment

_MIN_SECONDS = 1.0
_MIN_UNWORDED_S = 1.5
"""Shorter stretches, margins included, may be breaths and noises that the voice activity detector takes for speech."""


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A doubtful stretch, from `start` to `end` in seconds."""

    start: float
    end: float
    reason: Doubt


class Guard:
    """Checks one block after the other.

    Attributes:
        doubtful: The doubtful stretches so far.
    """

    def __init__(self) -> None:
        self.doubtful: list[Doubtful] = []
        self._previous = ""

    def check(self, segments: Sequence[Segment], spans: Sequence[Span]) -> list[Segment]:
        """Return the segments of a block without repetitions; note those, other doubts, and speech without words.

        Args:
            segments: In order.
            spans: The stretches of speech in the block, in order.
        """
        self.doubtful += without_words(segments, spans)  # of all segments: a repetition that is cut was spoken
        kept = []
        for segment, cut in zip(segments, without_loops(segments), strict=True):
            repeats = self._repeats(segment)
            if doubt := Doubt.REPETITION if repeats or cut is not segment else _doubt(segment, spans):
                self._add(Doubtful(segment.start, segment.end, doubt))
            if cut is not None and not repeats:
                kept.append(cut)
            self._previous = segment.text
        return kept

    def _repeats(self, segment: Segment) -> bool:
        """Return whether the segment only repeats the one before, which may be in the block before."""
        repetitive = segment.failed and segment.compression_ratio > COMPRESSION_RATIO_THRESHOLD
        return bool(repetitive) and segment.text == self._previous

    def _add(self, found: Doubtful) -> None:
        """Add a stretch, or extend the previous one if it has the same reason."""
        if self.doubtful and self.doubtful[-1].reason is found.reason and found.start - self.doubtful[-1].end < 1.0:
            self.doubtful[-1] = replace(self.doubtful[-1], end=found.end)
        else:
            self.doubtful.append(found)


def _doubt(segment: Segment, spans: Sequence[Span]) -> Doubt | None:
    if not any(span.start / RATE < segment.end and span.end / RATE > segment.start for span in spans):
        return Doubt.NO_SPEECH
    if segment.failed:
        return segment.failed
    seconds = max(segment.end - segment.start, _MIN_SECONDS)
    return Doubt.TOO_FAST if len(segment.text) / seconds > MAX_CHARACTERS_PER_SECOND else None


def without_words(segments: Sequence[Segment], spans: Sequence[Span]) -> list[Doubtful]:
    """Return the stretches of speech before, between and after the segments; those of 1.5 s of speech and longer."""
    edges = [0.0, *(edge for segment in segments for edge in (segment.start, segment.end)), math.inf]
    found = []
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        pieces = [(max(span.start / RATE, begin), min(span.end / RATE, end)) for span in spans]
        pieces = [(start, stop) for start, stop in pieces if start < stop]
        if sum(stop - start for start, stop in pieces) >= _MIN_UNWORDED_S:
            found.append(Doubtful(pieces[0][0], pieces[-1][1], Doubt.NO_WORDS))
    return found
