"""The free memory of a GPU, from the CUDA driver API (`cuMemGetInfo`), which CTranslate2 does not expose."""

from __future__ import annotations

import ctypes

_LIBRARY = "libcuda.so.1"
"""Comes with the driver."""


def free_bytes(gpu: int) -> int | None:
    """Return the free memory of a GPU in bytes; None if the driver cannot be asked."""
    try:
        cuda = ctypes.CDLL(_LIBRARY)
    except OSError:
        return None
    device, context = ctypes.c_int(), ctypes.c_void_p()
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    if cuda.cuInit(0) or cuda.cuDeviceGet(ctypes.byref(device), gpu):
        return None
    if cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device):
        return None
    try:
        if cuda.cuCtxPushCurrent_v2(context):
            return None
        try:
            failed = cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        finally:
            cuda.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
        return None if failed else free.value
    finally:
        cuda.cuDevicePrimaryCtxRelease_v2(device)
