"""Segments last as long as the speech in them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition.blocks import Span
from speechwhisper.recognition.times import SpeechTimes
from whisper.scripted import segment

if TYPE_CHECKING:
    from speechwhisper.recognition.transcript import Segment

pytestmark = pytest.mark.unit

MARGIN = 0.2
DETECTOR = 0.4


def spans(*speech: tuple[float, float], duration: float = 100.0) -> list[Span]:
    """What the detector finds for speech at these seconds."""
    return [
        Span(round(max(0.0, start - DETECTOR) * RATE), round(min(duration, end + DETECTOR) * RATE))
        for start, end in speech
    ]


def plain(start: float, end: float) -> Segment:
    return segment("hello", start, end, words=None)


def narrowed(
    *segments: tuple[float, float], speech: list[tuple[float, float]], duration: float = 100.0
) -> list[object]:
    times = SpeechTimes()
    found = spans(*speech, duration=duration)
    results = [times.narrow(plain(*one), found, duration, last=True) for one in segments]
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


def test_words_know_their_times_better() -> None:
    narrow = SpeechTimes().narrow(segment("hello", 1.0, 9.0), spans((5.0, 8.0)), 100.0)

    assert narrow.start == 1.0


TIMES = st.floats(0, 60, allow_subnormal=False)
STRETCHES = st.lists(TIMES, max_size=12, unique=True).map(
    lambda edges: [(one, other) for one, other in pairwise(sorted(edges))][::2]
)


@given(st.lists(st.tuples(TIMES, TIMES), max_size=8), STRETCHES)
def test_no_segment_is_empty_or_overlaps(
    segments: list[tuple[float, float]], speech: list[tuple[float, float]]
) -> None:
    times = SpeechTimes()
    found = spans(*speech, duration=60.0)
    results = [times.narrow(plain(min(one), max(one)), found, 60.0) for one in sorted(segments)]

    assert all(one.start < one.end for one in results)
    assert all(one.end <= other.start for one, other in pairwise(results) if one.end < 59.9)
