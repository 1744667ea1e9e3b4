"""The language is detected where speech begins, and only if it has to be."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest

from speechwhisper.audio.decode import open_recording
from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition import speech
from speechwhisper.recognition.engine import Engine
from speechwhisper.recognition.model import Model
from speechwhisper.recognition.options import Options
from speechwhisper.recognition.port import Stop
from speechwhisper.recognition.times import MARGIN_S
from speechwhisper.recognition.tuning import FULL_WINDOW, Tuning, for_cpu
from speechwhisper.service import SERVICE
from whisper.conftest import Start, eventually
from whisper.scripted import loud
from whisper.scripted_model import ScriptedModel
from whisper.scripted_weights import ScriptedWeights

if TYPE_CHECKING:
    from speechwhisper.recognition.transcript import TranscriptionInfo
    from whisper.media import Pcm

pytestmark = pytest.mark.unit

BEGIN = 8


@pytest.fixture
def late_speech(monkeypatch: pytest.MonkeyPatch) -> Pcm:
    """Forty seconds that begin with eight of silence."""
    monkeypatch.setattr(speech, "get_speech_timestamps", loud)
    samples = np.zeros(40 * RATE, dtype=np.int16)
    samples[BEGIN * RATE :] = 16_384
    return samples


def engine(model: ScriptedModel) -> Engine:
    return Engine([Model(model, 5)], model.feature_extractor, for_cpu(Tuning()))  # type: ignore[arg-type]


def decoded(model: ScriptedModel, samples: Pcm, options: Options) -> TranscriptionInfo:
    decoder = engine(model)
    try:
        recording = open_recording(io.BytesIO(samples.tobytes()), 3600, raw=True)
        return decoder.decode(recording, options, lambda _: None, Stop())
    finally:
        decoder.close()


@pytest.mark.parametrize("vad_filter", [False, True])
def test_it_is_detected_once_where_speech_begins(late_speech: Pcm, *, vad_filter: bool) -> None:
    model = ScriptedModel()

    info = decoded(model, late_speech, Options(vad_filter=vad_filter))

    [window] = model.detected_in
    assert window.shape[1] == FULL_WINDOW  # as in training
    assert np.flatnonzero(window[0])[0] == round(MARGIN_S * 100)
    assert (info.language, info.language_probability) == ("de", 0.75)
    german = model.hf_tokenizer.token_to_id("<|de|>")
    assert len(model.prompts) > 1
    assert all(german in prompt for prompt in model.prompts)


def test_the_rest_of_a_block_whose_tail_was_lost_has_the_language_of_the_block(late_speech: Pcm) -> None:
    model = ScriptedModel()
    model.loses_tail = True

    decoded(model, late_speech, Options())

    assert len(model.detected_in) == 1
    assert len(model.prompts) > 3


def test_the_route_detects_it_where_speech_begins_too(late_speech: Pcm) -> None:
    model = ScriptedModel()
    decoder = engine(model)

    recording = open_recording(io.BytesIO(late_speech.tobytes()), 3600, raw=True)
    found = decoder.detect_language(recording, Stop())
    decoder.close()

    [window] = model.detected_in
    assert np.flatnonzero(window[0])[0] == round(MARGIN_S * 100)
    assert found == ("de", 0.75)


async def test_a_disconnected_client_frees_its_slot_while_the_model_is_still_busy(
    late_speech: Pcm, start: Start
) -> None:
    weights = ScriptedWeights(hold=True)
    decoder = Engine([weights], ScriptedModel().feature_extractor, for_cpu(Tuning()))  # type: ignore[list-item]
    client = await start(decoder)  # type: ignore[arg-type]
    slots = client.server.app[SERVICE].slots
    data = {"audio_file": io.BytesIO(late_speech.tobytes())}
    request = asyncio.create_task(client.post("/detect-language?encode=false", data=data))
    await asyncio.to_thread(weights.entered)
    assert slots.busy == 1

    request.cancel()

    await eventually(lambda: slots.busy == 0)
    weights.go_on()


def test_a_requested_language_is_not_detected(late_speech: Pcm) -> None:
    model = ScriptedModel()

    info = decoded(model, late_speech, Options(language="en"))

    assert (model.detected_in, info.language, info.language_probability) == ([], "en", None)


def test_a_model_of_one_language_detects_none(late_speech: Pcm) -> None:
    model = ScriptedModel()
    model.supported_languages = ("en",)

    info = decoded(model, late_speech, Options())

    assert (model.detected_in, info.language, info.language_probability) == ([], "en", None)


@pytest.mark.parametrize("languages", [("en", "de"), ("en",)])
def test_silence_has_no_language(languages: tuple[str, ...]) -> None:
    model = ScriptedModel()
    model.supported_languages = languages

    info = decoded(model, np.zeros(RATE, dtype=np.int16), Options())

    assert (model.detected_in, info.language) == ([], None)


@pytest.mark.parametrize("languages", [("en", "de"), ("en",)])
@pytest.mark.parametrize(("requested", "language"), [(None, None), ("en", "en")])
def test_a_block_without_words_has_no_language(
    late_speech: Pcm, languages: tuple[str, ...], requested: str | None, language: str | None
) -> None:
    model = ScriptedModel()
    model.supported_languages = languages
    model.says = ""

    info = decoded(model, late_speech, Options(language=requested, temperatures=(0.0,)))

    assert model.prompts  # it was decoded
    assert (info.language, info.language_probability) == (language, None)
