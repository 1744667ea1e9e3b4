from __future__ import annotations

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from speechwhisper.recognition.features import BlockFeatureExtractor
from whisper import media

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("seconds", [0.01, 5.0, 59.99, 60.0, 61.005, 150.0])
@pytest.mark.parametrize("mels", [80, 128])
def test_blocks_give_the_same_numbers_as_the_whole(seconds: float, mels: int) -> None:
    samples = (media.noise(seconds) * np.linspace(0, 1, int(seconds * media.RATE))).astype(np.float32) / 32768

    blocks = BlockFeatureExtractor(feature_size=mels)(samples)

    np.testing.assert_allclose(blocks, FeatureExtractor(feature_size=mels)(samples), atol=1e-5)
