"""Segments last as long as the speech in them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition.blocks import Span
from speechwhisper.recognition.judging import Doubt
from speechwhisper.recognition.times import SpeechTimes
from speechwhisper.recognition.transcript import Word
from whisper.scripted import segment

if TYPE_CHECKING:
    from speechwhisper.recognition.transcript import Segment

pytestmark = pytest.mark.unit

MARGIN = 0.2
DETECTOR = 0.4
SHORTEST = 0.021
ROUNDING = 1e-6


def spans(*speech: tuple[float, float], duration: float = 100.0) -> list[Span]:
    """What the detector finds for speech at these seconds."""
    return [
        Span(round(max(0.0, start - DETECTOR) * RATE), round(min(duration, end + DETECTOR) * RATE))
        for start, end in speech
    ]


def margins(*speech: tuple[float, float], duration: float = 100.0) -> tuple[float, float]:
    """Those of the first and of the last of these spans."""
    return min(DETECTOR, speech[0][0]), min(DETECTOR, duration - speech[-1][1])


NONE = (0.0, 0.0)


def plain(start: float, end: float) -> Segment:
    return segment("hello", start, end, words=None)


def narrowed(
    *segments: tuple[float, float], speech: list[tuple[float, float]], duration: float = 100.0
) -> list[object]:
    found = spans(*speech, duration=duration)
    around = margins(*speech, duration=duration) if speech else NONE
    results = SpeechTimes().narrow([plain(*one) for one in segments], found, duration, around)
    return [(pytest.approx(one.start), pytest.approx(one.end)) for one in results]


def test_quiet_before_and_after_speech_belongs_to_no_segment() -> None:
    assert narrowed((0.0, 11.0), speech=[(5.0, 8.0)]) == [(5.0 - MARGIN, 8.0 + MARGIN)]


def test_a_pause_within_a_segment_stays() -> None:
    assert narrowed((0.0, 20.0), speech=[(2.0, 4.0), (12.0, 15.0)]) == [(2.0 - MARGIN, 15.0 + MARGIN)]


def test_segments_within_speech_are_left_as_they_are() -> None:
    assert narrowed((2.0, 4.0), (4.0, 7.5), speech=[(1.0, 9.0)]) == [(2.0, 4.0), (4.0, 7.5)]


def test_a_segment_without_detected_speech_is_left_as_it_is() -> None:
    assert narrowed((20.0, 22.0), speech=[(1.0, 9.0), (30.0, 31.0)]) == [(20.0, 22.0)]
    assert narrowed((20.0, 22.0), speech=[]) == [(20.0, 22.0)]


def test_a_segment_ends_with_the_recording() -> None:
    assert narrowed((2.0, 30.0), speech=[(2.5, 5.3)], duration=5.3) == [(2.5 - MARGIN, 5.3)]


def timed(*words: tuple[float, float]) -> Segment:
    """A segment with words at these times."""
    spoken = tuple(Word(start, end, f" {at}", 0.9) for at, (start, end) in enumerate(words))
    text = "".join(word.text for word in spoken)
    return segment(text, spoken[0].start, spoken[-1].end, words=spoken)


def word_times(segment: Segment) -> list[object]:
    assert segment.words
    assert (segment.start, segment.end) == (segment.words[0].start, segment.words[-1].end)
    return [(pytest.approx(word.start), pytest.approx(word.end)) for word in segment.words]


@pytest.mark.parametrize(
    ("words", "spoken"),
    [
        ([(5.0, 5.5), (5.5, 8.0)], [(5.0, 5.5), (5.5, 8.0)]),
        ([(5.0, 7.5), (7.5, 12.0)], [(5.0, 7.5), (7.5, 8.2)]),
        ([(1.0, 5.5), (5.5, 8.0)], [(4.8, 5.5), (5.5, 8.0)]),
        ([(7.0, 7.5), (7.5, 20.0), (20.0, 21.0)], [(7.0, 7.5), (7.5, 8.2), (20.0, 21.0)]),
        ([(7.0, 7.9), (8.1, 20.5), (20.5, 21.0)], [(7.0, 7.9), (19.8, 20.5), (20.5, 21.0)]),
        ([(1.0, 2.0), (2.0, 3.0), (5.0, 6.0)], [(4.8, 4.82), (4.82, 4.84), (5.0, 6.0)]),
        ([(6.0, 8.2), (9.0, 10.0), (10.0, 11.0)], [(6.0, 8.16), (8.16, 8.18), (8.18, 8.2)]),
        ([(7.0, 8.0), (12.0, 13.0), (20.5, 21.0)], [(7.0, 8.0), (8.2, 8.22), (20.5, 21.0)]),
        ([(12.0, 13.0), (13.0, 14.0)], [(12.0, 13.0), (13.0, 14.0)]),
    ],
    ids=[
        "within speech",
        "into the pause after",
        "from the pause before",
        "across a pause, begun before it",
        "across a pause, spoken after it",
        "in the pause before",
        "in the pause after",
        "in a pause",
        "nobody speaks",
    ],
)
def test_words_are_within_speech(words: list[tuple[float, float]], spoken: list[tuple[float, float]]) -> None:
    speech = ((5.0, 8.0), (20.0, 22.0))

    (narrow,) = SpeechTimes().narrow([timed(*words)], spans(*speech), 100.0, margins(*speech))

    assert word_times(narrow) == spoken


@pytest.mark.parametrize("words", [False, True])
def test_text_behind_the_end_of_a_block_is_joined_to_the_segment_before(*, words: bool) -> None:
    make = (lambda *times: timed(times)) if words else plain
    segments = [make(100.0, 104.0), make(104.0, 108.0), make(110.0, 110.0), make(110.0, 110.0)]

    first, second = SpeechTimes().narrow(segments, spans((100.0, 108.0), duration=200.0), 110.0, (DETECTOR, DETECTOR))

    assert (first.start, first.end) == (100.0, 104.0)
    assert (second.start, second.end) == (104.0, pytest.approx(108.0))
    assert second.text == segments[1].text * 3
    assert second.tokens == segments[1].tokens * 3
    assert [word.text for word in second.words or ()] == [" 0"] * 3 * words


def test_text_without_room_is_joined_to_the_segment_before() -> None:
    (one,) = SpeechTimes().narrow([plain(0.0, 60.0), plain(50.0, 60.0)], [], 60.0, NONE)

    assert (one.start, one.end, one.text) == (0.0, 60.0, "hellohello")


def test_a_block_of_which_all_text_is_behind_its_end_has_a_segment() -> None:
    (one,) = SpeechTimes().narrow([plain(110.0, 110.0)], spans((100.0, 108.0)), 110.0, (DETECTOR, DETECTOR))

    assert 100.0 < one.start < one.end == 110.0


def test_what_failed_stays_doubtful_where_it_is_joined() -> None:
    failed = replace(plain(9.0, 9.0), failed=Doubt.IMPROBABLE)

    (one,) = SpeechTimes().narrow([plain(1.0, 8.0), failed], [], 9.0, NONE)

    assert one.failed is Doubt.IMPROBABLE


TIMES = st.floats(0, 60, allow_subnormal=False)
STRETCHES = st.lists(TIMES, max_size=12, unique=True).map(
    lambda edges: [(one, other) for one, other in pairwise(sorted(edges))][::2]
)


PAIRS = st.tuples(TIMES, TIMES).map(lambda pair: (min(pair), max(pair)))


@st.composite
def transcripts(draw: st.DrawFn, beyond: float = 5.0) -> list[Segment]:
    """What a model may say of 60 s, with or without words, in order of their starts."""
    times = sorted(draw(st.lists(PAIRS, max_size=8)))
    if draw(st.booleans()):
        return [plain(start, end + beyond) for start, end in times]
    words = [sorted(draw(st.lists(PAIRS, min_size=1, max_size=5))) for _ in times]
    return [timed(*one) for one in sorted(words)]


@given(st.lists(transcripts(), max_size=3), STRETCHES, st.floats(0.1, 60))
def test_no_segment_or_word_is_empty_overlaps_or_leaves_its_block(
    blocks: list[list[Segment]], speech: list[tuple[float, float]], seconds: float
) -> None:
    times = SpeechTimes()
    results: list[Segment] = []
    for number, block in enumerate(blocks):
        start, end = number * 60.0, number * 60.0 + seconds
        spoken = [(one + start, min(other + start, end)) for one, other in speech if one < seconds]
        around = margins(*spoken, duration=end) if spoken else NONE
        narrow = times.narrow([one.shifted(start) for one in block], spans(*spoken, duration=end), end, around)

        assert all(start <= one.start + ROUNDING and one.end <= end for one in narrow)
        assert "".join(one.text for one in narrow) == "".join(one.text for one in block)
        assert [len(one.words) for one in narrow if one.words] == [one.text.count(" ") for one in narrow if one.words]
        results += narrow

    edges = [(one.start, one.end) for one in results]
    words = [(word.start, word.end) for one in results for word in one.words or ()]
    for found_times in (edges, words):
        assert all(start < end for start, end in found_times)
        assert all(one[1] <= other[0] for one, other in pairwise(found_times))


@given(transcripts(), STRETCHES.filter(bool))
def test_segments_and_words_that_touch_speech_are_within_it(
    segments: list[Segment], speech: list[tuple[float, float]]
) -> None:
    for said in segments:
        touched = [one for one in speech if one[0] - MARGIN < said.end and one[1] + MARGIN > said.start]
        found, around = spans(*speech, duration=60.0), margins(*speech, duration=60.0)
        (narrow,) = SpeechTimes().narrow([said], found, 60.0, around)
        if touched:
            begin, end = touched[0][0], touched[-1][1]
            assert narrow.start >= begin - MARGIN - SHORTEST
            assert narrow.end <= end + MARGIN + SHORTEST
