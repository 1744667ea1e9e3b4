"""Tune how the process gets and keeps memory; both settings are for the tail of the latency."""

from __future__ import annotations

import ctypes
import gc

_M_TRIM_THRESHOLD = -1  # malloc.h
_M_MMAP_THRESHOLD = -3
_KEPT = 16 * 2**20
_GC_THRESHOLDS = (50_000, 20, 50)


def tune() -> None:
    """Call once when start-up is done.

    * What start-up made leaves the garbage collector's sight, and collections become few and short.
    * Up to 16 MiB of freed memory stay in the process. By default glibc gives the buffers of every upload back to the
      kernel and asks for them anew, at a page fault for each 4 KiB: more than the copying itself costs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's; musl and macOS have none
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
        mallopt(_M_MMAP_THRESHOLD, _KEPT)
