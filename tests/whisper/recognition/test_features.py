from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from speechwhisper.recognition.features import BlockFeatureExtractor
from whisper import media

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

ROUNDING = 1e-5
"""Sums of up to 201 positive numbers, added in another order, differ by less than a 40,000th of themselves in 32 bits:
3e-6 after the logarithm and the division by four."""


@pytest.mark.parametrize("seconds", [0.01, 5.0, 59.99, 60.0, 61.005, 150.0])
@pytest.mark.parametrize("mels", [80, 128])
def test_blocks_give_the_same_numbers_as_the_whole(seconds: float, mels: int) -> None:
    samples = (media.noise(seconds) * np.linspace(0, 1, int(seconds * media.RATE))).astype(np.float32) / 32768

    blocks = BlockFeatureExtractor(feature_size=mels)(samples)

    np.testing.assert_allclose(blocks, FeatureExtractor(feature_size=mels)(samples), rtol=0, atol=ROUNDING)


def test_blocks_give_the_same_numbers_for_speech_and_pauses(recordings: dict[str, tuple[Path, str]]) -> None:
    pieces = [media.decode_wav(file.read_bytes()) for file, _ in recordings.values()] * 4
    samples = media.join(pieces, pause=1.0).astype(np.float32) / 32768

    blocks = BlockFeatureExtractor()(samples)

    np.testing.assert_allclose(blocks, FeatureExtractor()(samples), rtol=0, atol=ROUNDING)
