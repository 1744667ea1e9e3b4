"""The engine between the recordings and the threads of the model."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from speechwhisper.audio.decode import open_recording
from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition.engine import Engine
from speechwhisper.recognition.judging import Doubt
from speechwhisper.recognition.model import Model
from speechwhisper.recognition.options import Options
from speechwhisper.recognition.port import Stop
from speechwhisper.recognition.transcript import Transcript
from speechwhisper.recognition.tuning import Tuning, for_cpu
from whisper.scripted_model import ScriptedModel
from whisper.scripted_weights import ScriptedWeights

if TYPE_CHECKING:
    from speechwhisper.recognition.transcript import Segment

pytestmark = pytest.mark.unit


def test_nothing_is_being_prepared_while_blocks_wait_for_room() -> None:
    seconds = [np.zeros((1, 16_000), np.int16)] * 60
    recording = SimpleNamespace(chunks=lambda: iter(seconds))
    tuning = Tuning(batch_size=8)
    engine = Engine([ScriptedWeights()], lambda samples: np.zeros((80, len(samples) // 160), np.float32), tuning)  # type: ignore[list-item]

    waiting = [engine._batcher._preparing for _ in engine._blocks(recording, Options(), Stop(), [])]  # type: ignore[arg-type]
    engine.close()

    assert len(waiting) > 1
    assert set(waiting) == {0}


def test_text_over_silence_that_is_not_skipped_is_doubtful() -> None:
    model = ScriptedModel()
    model.says = " You"
    engine = Engine([Model(model, 5)], model.feature_extractor, for_cpu(Tuning(skip_silence=0)))  # type: ignore[arg-type]
    segments: list[Segment] = []
    silence = open_recording(io.BytesIO(bytes(5 * RATE * 2)), 3600, raw=True)

    info = engine.decode(silence, Options(), segments.append, Stop())
    engine.close()

    assert Transcript(tuple(segments), info).text == "You"
    assert [one.reason for one in info.doubtful] == [Doubt.NO_SPEECH]
    assert [one["code"] for one in Transcript(tuple(segments), info).warnings()] == ["doubtful"]
