"""Divides the tokens of a decoded block into segments, by their timestamps; pure functions.

As in openai-whisper (`whisper/transcribe.py`), except that text without a closing timestamp, which is left to the next
window there, ends with its block here: a block ends in a pause.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechwhisper.recognition.transcript import Segment, Word

_SECONDS_PER_TIMESTAMP = 0.02


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment: seconds from the start of its block, and tokens including timestamps."""

    start: float
    end: float
    tokens: tuple[int, ...]


def split(tokens: Sequence[int], timestamp_begin: int, seconds: float) -> list[Piece]:
    """Divide the tokens of a block.

    Args:
        tokens: As generated.
        timestamp_begin: The token of 0.00 s; greater ones are later times.
        seconds: Duration of the block, where its segments end at the latest.
    """
    pieces: list[Piece] = []
    current: list[int] = []
    start, has_text = 0.0, False
    for token in tokens:
        if token < timestamp_begin:
            current.append(token)
            has_text = True
            continue
        time = min((token - timestamp_begin) * _SECONDS_PER_TIMESTAMP, seconds)
        if has_text:
            pieces.append(Piece(start, max(start, time), (*current, token)))
            current, has_text = [], False
        else:
            current = [token]
        start = time
    if has_text:
        pieces.append(Piece(start, max(start, seconds), tuple(current)))
    return pieces


def with_words(segment: Segment, words: Sequence[Word]) -> Segment:
    """Return the segment with words, and with their times if it has any."""
    if not words:
        return replace(segment, words=())
    return replace(segment, words=tuple(words), start=words[0].start, end=words[-1].end)
