"""Tunes the garbage collector: the cache is large, and has no cycles to be found."""

from __future__ import annotations

import gc

_GC_THRESHOLDS = (50_000, 20, 50)


def tune_gc() -> None:
    """Call once the caches are filled: what exists then is exempt from garbage collection, which becomes rare.

    Objects of the cache are freed by their reference counts all the same. By default, every plan would be interrupted
    several times, now and then to go through the whole cache.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
