"""Tunes malloc and the garbage collector."""

from __future__ import annotations

import ctypes
import gc

_M_TRIM_THRESHOLD = -1  # malloc.h
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_RETAINED_BYTES = 32_000_000
_YOUNG_OBJECTS = 50_000
"""Allocations between two garbage collections."""


def tune_malloc() -> None:
    """Call first, before there are threads.

    By default, glibc gives each thread an arena, and each arena retains the largest buffers that it ever held. Here,
    all threads share one, and the largest buffers return to the kernel at once. Smaller ones are retained: requesting
    all of 4 MB and more again, page by page, takes a quarter of the throughput.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc only; musl and macOS lack it
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_TRIM_THRESHOLD, _RETAINED_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _RETAINED_BYTES)


def tune_gc() -> None:
    """Call once after startup, which leaves many objects that are never freed: they are not looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)
