"""Names of models and of the folders of their weights."""

from __future__ import annotations

import pytest
from faster_whisper import utils

from speechwhisper.weights.names import HUB_NAMES, folder_name

pytestmark = pytest.mark.unit


def test_sizes_are_those_of_faster_whisper() -> None:
    assert HUB_NAMES == utils._MODELS


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("small", "Systran--faster-whisper-small"),
        ("Systran/faster-whisper-small", "Systran--faster-whisper-small"),
        ("team/own-model", "team--own-model"),
        ("own-model", "own-model"),
    ],
)
def test_a_size_shares_the_folder_of_its_repository(model: str, folder: str) -> None:
    assert folder_name(model) == folder
