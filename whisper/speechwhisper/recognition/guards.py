"""Guards against what Whisper invents (repetition loops, improbable text, text without speech) and speech without text.

Whisper retries a window that fails its checks at higher temperatures, and accepts the last attempt whatever it is
(openai-whisper, `whisper/transcribe.py`, `decode_with_fallback`). Here loops are cut, and the rest is reported.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition.judging import (
    COMPRESSION_RATIO_THRESHOLD,
    LOG_PROB_THRESHOLD,
    MAX_CHARACTERS_PER_SECOND,
    compression_ratio,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechwhisper.recognition.blocks import Span
    from speechwhisper.recognition.transcript import Segment

_LOOP = re.compile(r"(.{2,80}?)\1{4,}", re.DOTALL)
"""The same 2 to 80 characters, five times or more in a row."""
_MIN_SECONDS = 1.0
_MIN_UNWORDED_S = 1.5
"""Shorter stretches, margins included, may be breaths and noises that the voice activity detector takes for speech."""


class Doubt(StrEnum):
    """Why a stretch of a transcript is doubtful."""

    REPETITION = "repetition"
    IMPROBABLE = "improbable"
    TOO_FAST = "too_fast"
    NO_SPEECH = "no_speech"
    NO_WORDS = "no_words"


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A doubtful stretch, from `start` to `end` in seconds."""

    start: float
    end: float
    reason: Doubt


class Guard:
    """Checks one segment after the other.

    Args:
        last_temperature: The highest one that is tried; what fails at a lower one was tried again.

    Attributes:
        doubtful: The doubtful stretches so far.
    """

    def __init__(self, last_temperature: float) -> None:
        self.doubtful: list[Doubtful] = []
        self._last_temperature = last_temperature
        self._previous = ""

    def check(self, segment: Segment, spans: Sequence[Span]) -> Segment | None:
        """Return the segment without its repetitions; None if it only repeats the one before.

        Args:
            segment: The next one.
            spans: The stretches of speech around it, in order; empty if unknown.
        """
        repeats = segment.compression_ratio > COMPRESSION_RATIO_THRESHOLD and segment.text == self._previous
        self._previous = segment.text
        cut = without_loop(segment)
        if doubt := Doubt.REPETITION if repeats or cut is not segment else self._doubt(segment, spans):
            self._add(Doubtful(segment.start, segment.end, doubt))
        return None if repeats else cut

    def check_block(self, segments: Sequence[Segment], spans: Sequence[Span]) -> None:
        """Note the speech of a block in which no words were found.

        Args:
            segments: Of the block, in order, before `check`: a repetition that is left out was spoken.
            spans: The stretches of speech in the block, in order.
        """
        self.doubtful += without_words(segments, spans)

    def _doubt(self, segment: Segment, spans: Sequence[Span]) -> Doubt | None:
        seconds = max(segment.end - segment.start, _MIN_SECONDS)
        if spans and not any(span.start / RATE < segment.end and span.end / RATE > segment.start for span in spans):
            return Doubt.NO_SPEECH
        if segment.avg_logprob < LOG_PROB_THRESHOLD and segment.temperature >= self._last_temperature:
            return Doubt.IMPROBABLE
        if len(segment.text) / seconds > MAX_CHARACTERS_PER_SECOND:
            return Doubt.TOO_FAST
        return None

    def _add(self, found: Doubtful) -> None:
        """Add a stretch, or extend the previous one if it has the same reason."""
        if self.doubtful and self.doubtful[-1].reason is found.reason and found.start - self.doubtful[-1].end < 1.0:
            self.doubtful[-1] = replace(self.doubtful[-1], end=found.end)
        else:
            self.doubtful.append(found)


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


def without_loop(segment: Segment) -> Segment:
    """Return the segment with a loop cut at its first repetition; itself if there is none."""
    if compression_ratio(segment.text) <= COMPRESSION_RATIO_THRESHOLD:
        return segment
    loop = _LOOP.search(segment.text)
    if loop is None:
        return segment
    kept, resumed = loop.end(1), loop.end()
    words = segment.words
    if words is not None:
        ends, at = [], 0
        for word in words:
            at += len(word.text)
            ends.append(at)
        words = tuple(word for word, end in zip(words, ends, strict=True) if end <= kept or end > resumed)
    return replace(segment, text=segment.text[:kept] + segment.text[resumed:], words=words)
