"""Narrows the times of segments and words to the speech in them.

Whisper's segments often begin where the last one ended, and last until the next: the pause before a sentence, and that
after it, appear to be spoken. So do its words beside a pause. The voice activity detector knows better.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from speechwhisper.audio.tracks import RATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechwhisper.recognition.blocks import Span
    from speechwhisper.recognition.transcript import Segment, Word

MARGIN_S = 0.4
"""Before and after speech, passed to the model."""
_KEPT_S = 0.2
"""What a segment keeps of that margin."""
_MIN_S = 0.02
"""The shortest segment, and the shortest word if there is room."""


class _Stretch(NamedTuple):
    """A stretch of speech in seconds, with as much of its margin as a segment has."""

    start: float
    end: float


class SpeechTimes:
    """Narrows the segments of one block after the other; none is emptied, none overlaps the one before."""

    def __init__(self) -> None:
        self._last_end = 0.0

    def narrow(
        self, segments: Sequence[Segment], spans: Sequence[Span], end_of_block: float, margins: tuple[float, float]
    ) -> list[Segment]:
        """Return the segments of a block with times within its speech; without detected speech, with their own.

        Text that Whisper puts behind the end of the block, or that has no room before it, is joined to the segment
        before.

        Args:
            segments: As decoded, in order.
            spans: The speech in the block, with margins, in order.
            end_of_block: In seconds. Whisper may end its last segment at the end of its window, far beyond.
            margins: Before the first and after the last speech, in seconds: less than `MARGIN_S` where the recording
                was cut in a short pause or in speech.
        """
        speech = _speech(spans, end_of_block, *margins)
        narrowed: list[Segment] = []
        for segment in segments:
            if narrowed and (segment.start >= end_of_block or end_of_block - self._last_end < _MIN_S):
                narrowed[-1] = _joined(narrowed[-1], segment)
            else:
                within = _within(speech, segment.start, min(segment.end, end_of_block))
                narrowed.append(_narrowed(segment, within, self._last_end, end_of_block))
            self._last_end = narrowed[-1].end
        return narrowed


def _speech(spans: Sequence[Span], end_of_block: float, before: float, after: float) -> list[_Stretch]:
    margins = [before, *[MARGIN_S] * (2 * len(spans) - 2), after]
    excess = [max(0.0, margin - _KEPT_S) for margin in margins]
    return [
        _Stretch(span.start / RATE + too_early, min(span.end / RATE - too_late, end_of_block))
        for span, too_early, too_late in zip(spans, excess[::2], excess[1::2], strict=False)
    ]


def _within(speech: Sequence[_Stretch], start: float, end: float) -> Sequence[_Stretch]:
    """Return the speech of which a part is between `start` and `end`."""
    begin = bisect_right(speech, start, key=lambda one: one.end)
    return speech[begin : max(begin, bisect_left(speech, end, key=lambda one: one.start))]


def _narrowed(segment: Segment, speech: Sequence[_Stretch], floor: float, ceiling: float) -> Segment:
    """Return the segment within its speech, not before `floor`, not after `ceiling`."""
    if segment.words:
        words = [_spoken(word, speech) for word in segment.words]
        if speech and min(ceiling, speech[-1].end) - max(floor, speech[0].start) >= _MIN_S:
            floor, ceiling = max(floor, speech[0].start), min(ceiling, speech[-1].end)
        words = _in_order(words, floor, ceiling)
        return replace(segment, start=words[0].start, end=words[-1].end, words=tuple(words))
    start, end = segment.start, segment.end
    if speech:
        start, end = max(start, speech[0].start), min(end, speech[-1].end)
    start = max(min(start, ceiling - _MIN_S), floor)
    return replace(segment, start=start, end=min(max(end, start + _MIN_S), ceiling))


def _joined(before: Segment, segment: Segment) -> Segment:
    """Return two segments as one, with the times of the first."""
    words = before.words
    if segment.words:
        words = tuple(_in_order((*(words or ()), *segment.words), before.start, before.end))
    return replace(
        before,
        text=before.text + segment.text,
        tokens=before.tokens + segment.tokens,
        words=words,
        failed=before.failed or segment.failed,
    )


def _spoken(word: Word, speech: Sequence[_Stretch]) -> Word:
    """Return the part of a word that is spoken. One in a pause is put at the nearest speech, without a duration.

    A pause beside a word is often added to it; a word across a pause belongs to the side with more of it.
    """
    if not speech:
        return word
    one = max(speech, key=lambda one: min(word.end, one.end) - max(word.start, one.start))
    start, end = (min(max(edge, one.start), one.end) for edge in (word.start, word.end))
    return replace(word, start=start, end=end)


def _in_order(words: Sequence[Word], floor: float, ceiling: float) -> list[Word]:
    """Return the words between `floor` and `ceiling`, none before the end of the one before, none without duration."""
    least = min(_MIN_S, (ceiling - floor) / len(words))
    forward: list[Word] = []
    for word in words:
        start = max(word.start, forward[-1].end if forward else floor)
        forward.append(replace(word, start=start, end=max(word.end, start + least)))
    ordered: list[Word] = []
    for word in reversed(forward):
        end = min(word.end, ordered[-1].start if ordered else ceiling)
        ordered.append(replace(word, start=max(min(word.start, end - least), floor), end=end))
    return ordered[::-1]
