"""After some errors of CUDA, only a new process helps."""

from __future__ import annotations

import pytest

from speechwhisper.recognition.cuda_errors import context_lost
from whisper.scripted_model import NO_CUBLAS

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "words",
    [
        "CUDA failed with error an illegal memory access was encountered",
        "CUDA failed with error unspecified launch failure",
        "CUDA failed with error uncorrectable ECC error encountered",
    ],
)
def test_the_context_is_lost(words: str) -> None:
    assert context_lost(RuntimeError(words))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA failed with error out of memory"),
        NO_CUBLAS,
        ValueError("misaligned address"),  # not of CUDA
        MemoryError(),
    ],
)
def test_another_request_may_succeed(error: Exception) -> None:
    assert not context_lost(error)
