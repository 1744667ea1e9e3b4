"""Blocks: all speech is in exactly one, none is longer than the limit, and cuts lie in pauses."""

from __future__ import annotations

from itertools import chain, pairwise, takewhile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition.blocks import Block, Span, plan, seconds_of, with_margins, with_silence

pytestmark = pytest.mark.unit

LONGEST = 200
MARGIN = 30


def spans(*ends: tuple[int, int]) -> list[Span]:
    return [Span(start, end) for start, end in ends]


@st.composite
def speech(draw: st.DrawFn) -> list[Span]:
    """Stretches of up to `LONGEST` samples, in order, apart."""
    found, at = [], 0
    for pause, length in draw(st.lists(st.tuples(st.integers(1, 300), st.integers(1, LONGEST)), max_size=30)):
        found.append(Span(at + pause, at + pause + length))
        at += pause + length
    return found


@given(speech(), st.integers(0, 400))
def test_all_speech_is_in_exactly_one_block_in_order(found: list[Span], longest_pause: int) -> None:
    blocks = plan(found, LONGEST, longest_pause)

    assert list(chain.from_iterable(blocks)) == found
    assert all(blocks)


@given(speech(), st.integers(0, 400))
def test_no_block_is_longer_than_the_limit(found: list[Span], longest_pause: int) -> None:
    assert all(block[-1].end - block[0].start <= LONGEST for block in plan(found, LONGEST, longest_pause))


@given(speech(), st.integers(0, 400))
def test_no_pause_within_a_block_is_longer_than_its_limit(found: list[Span], longest_pause: int) -> None:
    for block in plan(found, LONGEST, longest_pause):
        assert all(after.start - before.end <= longest_pause for before, after in pairwise(block))


@given(speech())
def test_blocks_are_cut_at_long_pauses_or_at_the_longest_in_the_second_half(found: list[Span]) -> None:
    longest_pause = 100
    after = {one: following.start - one.end for one, following in pairwise(found)}

    for block in plan(found, LONGEST, longest_pause)[:-1]:
        begin = block[0].start
        rest = found[found.index(block[0]) :]
        fits = list(takewhile(lambda one: one.end - begin <= LONGEST, rest))  # noqa: B023 - called at once
        late = [one for one in fits if one.end - begin >= LONGEST // 2 or one is fits[-1]]
        assert after[block[-1]] > longest_pause or after[block[-1]] == max(after.get(one, 0) for one in late)


def test_a_block_is_cut_at_the_longest_pause_of_its_second_half() -> None:
    found = spans((0, 60), (100, 120), (125, 150), (165, 180), (185, 205))

    assert plan(found, LONGEST, 1000) == [found[:3], found[3:]]


def test_a_longer_pause_in_the_first_half_does_not_make_a_short_block() -> None:
    found = spans((0, 20), (90, 150), (155, 195), (198, 260))

    assert plan(found, LONGEST, 1000) == [found[:2], found[2:]]


def test_of_equal_pauses_the_last_one_is_taken() -> None:
    found = spans((0, 110), (120, 150), (160, 190), (200, 300))

    assert plan(found, LONGEST, 1000) == [found[:3], found[3:]]


def test_a_block_with_all_pauses_in_its_first_half_is_cut_at_the_last() -> None:
    found = spans((0, 20), (40, 60), (65, 265))

    assert plan(found, LONGEST, 1000) == [found[:2], found[2:]]


def test_what_fits_into_one_block_is_not_cut() -> None:
    found = spans((0, 50), (90, 100), (110, LONGEST))

    assert plan(found, LONGEST, 1000) == [found]


def test_a_long_pause_ends_a_block() -> None:
    found = spans((0, 10), (20, 30), (41, 50))

    assert plan(found, LONGEST, 10) == [found[:2], found[2:]]


def test_without_speech_there_are_no_blocks() -> None:
    assert plan([], LONGEST, 10) == []


@given(speech(), st.integers(0, 1000))
def test_speech_with_silence_is_everything_without_overlap(found: list[Span], tail: int) -> None:
    total = (found[-1].end if found else 0) + tail

    filled = with_silence(found, total, LONGEST)

    assert [one for one in filled if one in found] == found
    assert all(before.end == after.start for before, after in pairwise(filled))
    assert all(0 < one.end - one.start <= LONGEST for one in filled)
    assert sum(one.end - one.start for one in filled) == total


@given(speech(), st.integers(0, 1000))
def test_blocks_of_speech_and_silence_are_everything(found: list[Span], tail: int) -> None:
    total = (found[-1].end if found else 0) + tail

    blocks = plan(with_silence(found, total, LONGEST), LONGEST, LONGEST)

    edges = [(block[0].start, block[-1].end) for block in blocks]
    assert all(end == start for (_, end), (start, _) in pairwise(edges))
    assert (edges[0][0], edges[-1][1]) == (0, total) if total else not edges
    assert all(end - start <= LONGEST for start, end in edges)


@given(speech(), st.integers(0, 100), st.integers(0, 80))
def test_margins_widen_speech_by_at_most_the_margin(found: list[Span], tail: int, margin: int) -> None:
    total = (found[-1].end if found else 0) + tail

    wide = with_margins(found, total, margin)

    assert all(before.end < after.start for before, after in pairwise(wide))
    assert all(0 <= one.start < one.end <= total for one in wide)
    assert covered(wide, total) == covered([Span(one.start - margin, one.end + margin) for one in found], total)


def covered(spans: list[Span], total: int) -> set[int]:
    """The samples in any of the spans."""
    return {at for one in spans for at in range(max(0, one.start), min(total, one.end))}


def test_speech_closer_than_two_margins_is_joined() -> None:
    found = spans((100, 200), (200 + 2 * MARGIN, 300), (301 + 2 * MARGIN, 400))

    assert with_margins(found, 1000, MARGIN) == spans((100 - MARGIN, 300 + MARGIN), (301 + MARGIN, 400 + MARGIN))


def test_margins_end_with_the_recording() -> None:
    assert with_margins(spans((10, 90)), 100, MARGIN) == spans((0, 100))


def test_durations_are_in_seconds() -> None:
    assert seconds_of(spans((0, RATE), (2 * RATE, 5 * RATE))) == 4.0
    assert Span(RATE, 3 * RATE).moved(RATE) == Span(2 * RATE, 4 * RATE)
    assert Span(RATE, 3 * RATE).seconds == 2.0


def block(start: float, seconds: float, *speech: tuple[float, float]) -> Block:
    frames = np.arange(seconds * 100, dtype=np.float32)[np.newaxis]
    return Block(start, tuple(Span(int(begin * RATE), int(end * RATE)) for begin, end in speech), frames)


def test_speech_after_a_time_is_counted_within_the_block() -> None:
    one = block(100.0, 10.0, (100.0, 103.0), (105.0, 112.0))

    assert one.speech_seconds_after(0.0) == pytest.approx(3.0 + 5.0)
    assert one.speech_seconds_after(2.0) == pytest.approx(1.0 + 5.0)
    assert one.speech_seconds_after(9.0) == pytest.approx(1.0)


def test_the_rest_of_a_block_has_its_own_start_and_the_remaining_frames() -> None:
    rest = block(100.0, 10.0, (100.0, 110.0)).rest_after(2.5)

    assert (rest.start, rest.frames, rest.seconds) == (102.5, 750, 7.5)
    assert rest.features[0, 0] == 250.0
    assert rest.speech_seconds_after(0.0) == pytest.approx(7.5)
