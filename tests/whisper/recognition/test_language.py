"""The language is detected where speech begins, and only if it has to be."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from speechwhisper.recognition.faster_whisper import Tuning, WhisperDecoder

from speechwhisper.audio.decode import Audio
from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition import speech
from speechwhisper.recognition.options import Options
from whisper.scripted import ScriptedModel, loud

if TYPE_CHECKING:
    from speechwhisper.recognition.transcript import TranscriptionInfo

pytestmark = pytest.mark.unit

BEGIN = 8 * RATE


@pytest.fixture
def late_speech(monkeypatch: pytest.MonkeyPatch) -> Audio:
    """Forty seconds that begin with eight of silence."""
    monkeypatch.setattr(speech, "get_speech_timestamps", loud)
    samples = np.zeros(40 * RATE, dtype=np.float32)
    samples[BEGIN:] = 0.5
    return Audio(samples)


def decoded(model: ScriptedModel, audio: Audio, options: Options) -> TranscriptionInfo:
    return WhisperDecoder(model, Tuning()).decode(audio, options, lambda _: None, threading.Event())  # type: ignore[arg-type]


@pytest.mark.parametrize("vad_filter", [False, True])
def test_it_is_detected_where_speech_begins(late_speech: Audio, *, vad_filter: bool) -> None:
    model = ScriptedModel()

    info = decoded(model, late_speech, Options(vad_filter=vad_filter))

    [window] = model.detected_in
    np.testing.assert_array_equal(window, late_speech.samples[BEGIN : BEGIN + 30 * RATE])
    assert (info.language, info.language_probability) == ("de", 0.75)
    assert model.arguments["language"] == "de"


def test_a_requested_language_is_not_detected(late_speech: Audio) -> None:
    model = ScriptedModel()

    info = decoded(model, late_speech, Options(language="en"))

    assert (model.detected_in, info.language, info.language_probability) == ([], "en", None)


def test_a_model_of_one_language_detects_none(late_speech: Audio) -> None:
    model = ScriptedModel()
    model.supported_languages = ("en",)

    info = decoded(model, late_speech, Options())

    assert (model.detected_in, info.language, info.language_probability) == ([], "en", None)


def test_silence_has_no_language() -> None:
    model = ScriptedModel()

    info = decoded(model, Audio(np.zeros(RATE, dtype=np.float32)), Options())

    assert (model.detected_in, info.language) == ([], None)
