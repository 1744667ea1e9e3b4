"""Cuts the loops of Whisper out of its text; pure functions.

Only text that failed its checks at every attempt is cut: people repeat themselves, too.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import accumulate, groupby
from typing import TYPE_CHECKING

from speechwhisper.recognition.judging import Doubt

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from speechwhisper.recognition.transcript import Segment

_LOOP = re.compile(r"(?P<short>.{2,14}?)(?P=short){4,}|(?P<long>.{15,400}?)(?P=long){2,}", re.DOTALL)
"""A few words five times or more in a row, or a sentence three times or more. 400 characters three times over are more
than anyone says in a block."""


def without_loops(segments: Sequence[Segment]) -> list[Segment | None]:
    """Return the segments with each loop cut at its first repetition; None in place of one that lies within a loop.

    Loops are searched for in the joined text of neighbouring segments that failed for repetition.

    Args:
        segments: Of one block, in order.
    """
    cut: list[Segment | None] = []
    for repetitive, group in groupby(segments, lambda one: one.failed is Doubt.REPETITION):
        run = list(group)
        cut += _cut(run) if repetitive else run
    return cut


def _cut(segments: list[Segment]) -> list[Segment | None]:
    begins = list(accumulate((len(one.text) for one in segments), initial=0))
    found = _repetitions("".join(one.text for one in segments), set(begins))
    return [
        _without(segment, [(start - at, end - at) for start, end in found])
        for segment, at in zip(segments, begins, strict=False)
    ]


def _repetitions(text: str, begins: Container[int]) -> list[tuple[int, int]]:
    """Return where the repetitions in the text begin and end, without what they repeat.

    Args:
        text: Of several segments.
        begins: Where the segments begin. Where a loop begins is a matter of choice (`. Yes. Yes. Yes.`): if possible,
            with a segment, otherwise with a word.
    """
    found: list[tuple[int, int]] = []
    at = 0
    while loop := _LOOP.search(text, at):
        length = len(loop["short"] or loop["long"])
        start, end = loop.span()
        while end < len(text) and text[end] == text[end - length]:
            end += 1
        turn = range(start, start + length)
        start = next((one for one in turn if one in begins), next((one for one in turn if text[one].isspace()), start))
        if end < len(text) or not (start in begins or text[start].isspace()):
            end -= (end - start) % length  # otherwise the last repetition was cut short
        at = end
        found.append((start + length, at))
    return found


def _without(segment: Segment, removed: Sequence[tuple[int, int]]) -> Segment | None:
    """Return the segment without those characters; itself if it has none of them, None if it has no others."""

    def is_removed(at: int) -> bool:
        return any(start <= at < end for start, end in removed)

    text = "".join(letter for at, letter in enumerate(segment.text) if not is_removed(at))
    if text == segment.text:
        return segment
    if not text.strip():
        return None
    words = segment.words
    if words is not None:
        lasts, at = [], 0
        for word in words:
            at += len(word.text)
            lasts.append(at - 1)
        words = tuple(word for word, last in zip(words, lasts, strict=True) if not is_removed(last))
    return replace(segment, text=text, words=words)
