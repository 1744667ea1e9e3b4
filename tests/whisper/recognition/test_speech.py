"""Where speech is found, and how it reaches the model in blocks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition import speech
from speechwhisper.recognition.blocks import Block, Span, plan, seconds_of, with_silence
from speechwhisper.recognition.prepare import Preparer
from speechwhisper.recognition.speech import find_speech
from speechwhisper.recognition.times import MARGIN_S
from whisper import media
from whisper.scripted import loud
from whisper.scripted_model import ScriptedModel

pytestmark = pytest.mark.unit

LONGEST = 28
"""Of a block, in seconds."""


def span(start: float, end: float) -> Span:
    return Span(int(start * RATE), int(end * RATE))


def planned(spans: list[Span], skip: float = 10) -> list[list[Span]]:
    return plan(spans, LONGEST * RATE, int(skip * RATE))


@st.composite
def recordings(draw: st.DrawFn) -> tuple[list[Span], int]:
    """Stretches of up to 28 s in order, and the recording's length in samples."""
    steps = draw(st.lists(st.tuples(st.floats(0, 60), st.floats(0.1, LONGEST)), max_size=20))
    spans, at = [], 0.0
    for pause, length in steps:
        spans.append(span(at + pause, at + pause + length))
        at += pause + length
    return spans, int((at + draw(st.floats(0, 60))) * RATE) + 1


def test_a_short_recording_is_one_block() -> None:
    assert planned([span(2, 10), span(15, 20)]) == [[span(2, 10), span(15, 20)]]


def test_a_long_silence_is_left_out() -> None:
    assert planned([span(2, 10), span(21, 26)]) == [[span(2, 10)], [span(21, 26)]]


def test_without_speech_there_is_nothing_to_decode() -> None:
    assert planned([]) == []


def test_zero_keeps_everything() -> None:
    spans = with_silence([span(100, 110)], 3600 * RATE, LONGEST * RATE)

    assert (spans[0].start, spans[-1].end, seconds_of(spans)) == (0, 3600 * RATE, 3600)


@given(recordings(), st.floats(0.5, 60))
def test_all_speech_is_inside_some_block_that_fits_the_window(recording: tuple[list[Span], int], skip: float) -> None:
    spans, _ = recording

    blocks = planned(spans, skip)

    assert [each for block in blocks for each in block] == spans
    assert all(block[-1].end - block[0].start <= LONGEST * RATE for block in blocks)
    assert all(after.start - before.end <= skip * RATE for block in blocks for before, after in pairwise(block))


@pytest.mark.parametrize("samples", [media.silence(30), media.noise(30, 0.1), media.noise(30, 0.001), media.tone(30)])
def test_silence_noise_and_tones_are_no_speech(samples: media.Pcm) -> None:
    assert find_speech(samples.astype(np.float32) / 32768, LONGEST) == []


def prepared(samples: media.Pcm) -> list[Block]:
    """Everything, read in chunks of a second."""
    preparer = Preparer(ScriptedModel().feature_extractor, longest_block=LONGEST, skip_silence=10)
    chunks = [samples[start : start + RATE] for start in range(0, len(samples), RATE)]
    return [block for chunk in chunks for block in preparer.feed(chunk)] + preparer.finish()


@pytest.mark.parametrize("begin", [1.0, 27.0, 29.999, 30.0, 31.0, 87.0, 89.999, 90.0, 149.0, 299.999])
def test_speech_is_not_cut_where_the_search_stops_and_goes_on(begin: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "get_speech_timestamps", loud)
    samples = np.zeros(620 * RATE, dtype=np.int16)
    expected = [span(0, 0.5), span(begin, begin + 5), span(610, 620)]
    for one in expected:
        samples[one.start : one.end] = 16_384

    found = [one for block in prepared(samples) for one in block.spans]

    margin = int(MARGIN_S * RATE)
    if begin == 1.0:  # the margins meet
        expected[:2] = [span(0, begin + 5)]
    assert [one.end for one in found] == [min(620 * RATE, one.end + margin) for one in expected]
    # A syllable that has only begun where the search stops is found by the next search, with half of the margin.
    before = [one.start - wide.start for one, wide in zip(expected, found, strict=True)]
    assert before[0] == 0
    assert all(margin // 2 <= samples <= margin for samples in before[1:])


def test_speech_without_a_pause_is_found_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "get_speech_timestamps", loud)

    blocks = prepared(np.full(700 * RATE, 16_384, dtype=np.int16))

    spans = [one for block in blocks for one in block.spans]
    assert (spans[0].start, spans[-1].end, seconds_of(spans)) == (0, 700 * RATE, 700)
    assert all(block.seconds <= LONGEST for block in blocks)
