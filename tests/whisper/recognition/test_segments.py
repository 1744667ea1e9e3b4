"""Tokens with timestamps become segments."""

from __future__ import annotations

from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechwhisper.recognition.segments import Piece, split, with_words
from speechwhisper.recognition.transcript import Word
from whisper.scripted import segment

pytestmark = pytest.mark.unit

BEGIN = 50364


def at(seconds: float) -> int:
    """The token of a time."""
    return BEGIN + round(seconds / 0.02)


def pieces(*tokens: int, seconds: float = 20.0) -> list[tuple[object, object, tuple[int, ...]]]:
    found = split(tokens, BEGIN, seconds)
    return [(pytest.approx(one.start), pytest.approx(one.end), one.tokens) for one in found]


def test_two_timestamps_divide_segments() -> None:
    tokens = at(0.5), 1, 2, at(3.0), at(4.0), 3, at(7.5)

    assert pieces(*tokens) == [(0.5, 3.0, tokens[:4]), (4.0, 7.5, tokens[4:])]


def test_text_without_a_closing_timestamp_ends_with_its_block() -> None:
    assert pieces(at(0.5), 1, at(3.0), at(4.0), 2, 3, seconds=9.5) == [
        (0.5, 3.0, (at(0.5), 1, at(3.0))),
        (4.0, 9.5, (at(4.0), 2, 3)),
    ]


def test_text_without_any_timestamp_lasts_as_long_as_its_block() -> None:
    assert pieces(1, 2, 3, seconds=4.0) == [(0.0, 4.0, (1, 2, 3))]


def test_a_single_timestamp_ends_one_segment_and_begins_the_next() -> None:
    assert pieces(at(0.0), 1, at(3.0), 2, at(5.0)) == [(0.0, 3.0, (at(0.0), 1, at(3.0))), (3.0, 5.0, (2, at(5.0)))]


def test_timestamps_without_text_are_no_segment() -> None:
    assert pieces(at(0.0), at(2.0)) == []
    assert pieces() == []
    assert pieces(at(0.0), 1, at(2.0), at(3.0)) == [(0.0, 2.0, (at(0.0), 1, at(2.0)))]


def test_of_several_opening_timestamps_the_last_one_counts() -> None:
    assert pieces(at(0.0), at(1.0), at(2.0), 1, at(3.0)) == [(2.0, 3.0, (at(2.0), 1, at(3.0)))]


def test_no_segment_ends_after_its_block() -> None:
    assert pieces(at(0.0), 1, at(30.0), seconds=8.0) == [(0.0, 8.0, (at(0.0), 1, at(30.0)))]
    assert pieces(at(12.0), 1, seconds=8.0) == [(8.0, 8.0, (at(12.0), 1))]


def test_no_segment_ends_before_it_begins() -> None:
    assert pieces(at(5.0), 1, at(3.0)) == [(5.0, 5.0, (at(5.0), 1, at(3.0)))]


tokens = st.lists(st.one_of(st.integers(0, 9), st.integers(BEGIN, BEGIN + 1500)), max_size=40)


@given(tokens, st.floats(0.1, 30))
def test_all_text_is_in_exactly_one_segment_in_order(generated: list[int], seconds: float) -> None:
    found = split(generated, BEGIN, seconds)

    said = [token for token in chain.from_iterable(one.tokens for one in found) if token < BEGIN]
    assert said == [token for token in generated if token < BEGIN]
    assert all(any(token < BEGIN for token in one.tokens) for one in found)
    assert all(0 <= one.start <= one.end <= seconds for one in found)


@given(tokens, st.floats(0.1, 30))
def test_segments_do_not_overlap_if_timestamps_increase(generated: list[int], seconds: float) -> None:
    increasing = iter(sorted(token for token in generated if token >= BEGIN))
    ordered = [token if token < BEGIN else next(increasing) for token in generated]

    found: list[Piece] = split(ordered, BEGIN, seconds)

    assert all(before.end <= after.start for before, after in pairwise(found))


def test_a_segment_lasts_from_its_first_word_to_its_last() -> None:
    words = [Word(1.5, 2.0, " All", 0.9), Word(2.0, 2.75, " right", 0.8)]

    timed = with_words(segment(" All right", 0.0, 10.0, words=None), words)

    assert (timed.start, timed.end, timed.words) == (1.5, 2.75, tuple(words))


def test_a_segment_without_aligned_words_keeps_its_times() -> None:
    timed = with_words(segment(" ...", 2.0, 10.0, words=None), [])

    assert (timed.start, timed.end, timed.words) == (2.0, 10.0, ())
