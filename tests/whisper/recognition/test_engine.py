"""The engine between the recordings and the threads of the model."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from speechwhisper.recognition.engine import Engine
from speechwhisper.recognition.options import Options
from speechwhisper.recognition.port import Stop
from speechwhisper.recognition.tuning import Tuning
from whisper.scripted_weights import ScriptedWeights

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
