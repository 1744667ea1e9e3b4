"""Recognizes what the errors of a device mean; pure functions."""

from __future__ import annotations

_CONTEXT_LOST = (
    "an illegal memory access was encountered",
    "an illegal instruction was encountered",
    "device-side assert triggered",
    "hardware stack error",
    "invalid program counter",
    "misaligned address",
    "operation not supported on global/shared address space",
    "the launch timed out and was terminated",
    "uncorrectable ecc error encountered",
    "uncorrectable nvlink error detected",
    "unspecified launch failure",
)
"""What `cudaGetErrorString` says of errors that leave the process in an inconsistent state: it must be terminated and
relaunched (reference of CUDA's runtime API, `cudaError_t`)."""


def context_lost(error: BaseException) -> bool:
    """Return whether the CUDA context is lost. CTranslate2 raises a RuntimeError with CUDA's words."""
    said = str(error).lower()
    return "cuda" in said and any(words in said for words in _CONTEXT_LOST)


def out_of_memory(error: BaseException) -> bool:
    """Return whether the memory of the device did not suffice. A MemoryError is C++'s `bad_alloc`, on a CPU."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in said or "cublas_status_alloc_failed" in said
