"""After some errors of CUDA only a new process helps, after others a smaller batch."""

from __future__ import annotations

import pytest

from speechwhisper.recognition.cuda_errors import context_lost, out_of_memory
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


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("CUDA failed with error out of memory"), True),
        (RuntimeError("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED"), True),
        (MemoryError("std::bad_alloc"), True),
        (NO_CUBLAS, False),
    ],
)
def test_a_smaller_batch_may_succeed(error: Exception, *, expected: bool) -> None:
    assert out_of_memory(error) is expected
