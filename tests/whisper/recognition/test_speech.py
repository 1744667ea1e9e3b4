from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition import speech
from speechwhisper.recognition.port import StoppedError
from speechwhisper.recognition.speech import Span, find_speech, plan_blocks, plan_clips
from whisper import media
from whisper.scripted import loud

pytestmark = pytest.mark.unit


def span(start: float, end: float) -> Span:
    return Span(int(start * RATE), int(end * RATE))


@st.composite
def recordings(draw: st.DrawFn) -> tuple[list[Span], int]:
    """Stretches of up to 30 s in order, and the recording's length in samples."""
    steps = draw(st.lists(st.tuples(st.floats(0, 60), st.floats(0.1, 30)), max_size=20))
    spans, at = [], 0.0
    for pause, length in steps:
        spans.append(span(at + pause, at + pause + length))
        at += pause + length
    return spans, int((at + draw(st.floats(0, 60))) * RATE) + 1


def test_an_ordinary_recording_reaches_the_model_whole() -> None:
    assert plan_clips([span(2, 10), span(15, 20)], 25 * RATE, 10) == [span(0, 25)]


def test_a_long_silence_is_left_out() -> None:
    assert plan_clips([span(2, 10), span(40, 50)], 90 * RATE, 10) == [span(0, 10), span(40, 50)]


def test_without_speech_there_is_nothing_to_decode() -> None:
    assert plan_clips([], 3600 * RATE, 10) == []


def test_zero_keeps_everything() -> None:
    assert plan_clips([], 3600 * RATE, 0) == [span(0, 3600)]


@given(recordings(), st.floats(0.5, 60))
def test_all_speech_is_inside_some_clip(recording: tuple[list[Span], int], skip: float) -> None:
    spans, total = recording

    clips = plan_clips(spans, total, skip)

    assert all(any(clip.start <= each.start and each.end <= clip.end for clip in clips) for each in spans)
    assert all(before.end < after.start for before, after in pairwise(clips))
    assert all(0 <= clip.start < clip.end <= total for clip in clips)


@given(recordings())
def test_blocks_hold_all_speech_and_fit_the_window(recording: tuple[list[Span], int]) -> None:
    spans, _ = recording

    blocks = plan_blocks(spans, 30.0)

    assert all(any(block.start <= each.start and each.end <= block.end for block in blocks) for each in spans)
    assert all(block.seconds <= 30.001 for block in blocks)


@pytest.mark.parametrize("samples", [media.silence(30), media.noise(30, 0.1), media.noise(30, 0.001), media.tone(30)])
def test_silence_noise_and_tones_are_no_speech(samples: media.Pcm) -> None:
    assert find_speech(samples.astype(np.float32) / 32768, threading.Event()) == []


def test_a_search_can_be_stopped() -> None:
    stop = threading.Event()
    stop.set()

    with pytest.raises(StoppedError):
        find_speech(np.zeros(RATE, dtype=np.float32), stop)


@pytest.mark.parametrize("begin", [1.0, 297.0, 299.999, 300.0, 301.0])
def test_speech_is_not_cut_where_the_detector_stops_and_goes_on(begin: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "get_speech_timestamps", loud)
    samples = np.zeros(620 * RATE, dtype=np.float32)
    expected = [Span(0, RATE // 2), Span(int(begin * RATE), int((begin + 5) * RATE)), Span(610 * RATE, 620 * RATE)]
    for span in expected:
        samples[span.start : span.end] = 0.5

    assert find_speech(samples, threading.Event()) == expected


def test_speech_without_a_pause_is_found_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "get_speech_timestamps", loud)

    spans = find_speech(np.full(700 * RATE, 0.5, dtype=np.float32), threading.Event())

    assert (spans[0].start, spans[-1].end, speech.seconds_of(spans)) == (0, 700 * RATE, 700)
