"""Which pipeline is worked on next: as client-go's workqueue, for one event loop.

A key is in the queue once however often it is added, is never worked on by two at once, and comes again when it was
added meanwhile. A key that fails waits longer each time, alone: others go past it.
https://pkg.go.dev/k8s.io/client-go/util/workqueue
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

    from speechoperator.telemetry.metrics import Metrics

K = TypeVar("K", bound="Hashable")


class WorkQueue(Generic[K]):
    """Use within one event loop.

    Args:
        base: Seconds until the first retry of a key; it doubles with each failure in a row.
        cap: Seconds between two tries at most.
        metrics: Where depth, waiting time and retries are counted.
    """

    def __init__(self, base: float, cap: float, metrics: Metrics) -> None:
        self._base = base
        self._cap = cap
        self._metrics = metrics
        self._ready: OrderedDict[K, float] = OrderedDict()  # to when it was added
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._filled = asyncio.Event()
        metrics.follow(metrics.queue_depth, lambda: len(self._ready))

    def __len__(self) -> int:
        """Return how many wait for a worker, those that are put off left out."""
        return len(self._ready)

    def add(self, key: K) -> None:
        """Queue a key now; if it is being worked on, as soon as that is done."""
        self._disarm(key)
        if key in self._working:
            self._again.add(key)
        elif key not in self._ready:
            self._ready[key] = _now()
            self._filled.set()

    def after(self, key: K, seconds: float) -> None:
        """Queue a key later; the earlier of this and what was asked for before counts."""
        if key in self._ready or key in self._again:
            return
        due = _now() + seconds
        timer = self._timers.get(key)
        if timer is None or due < timer.when():
            self._disarm(key)
            self._timers[key] = asyncio.get_running_loop().call_at(due, self.add, key)

    def retry(self, key: K, at_least: float = 0.0) -> float:
        """Put a key that failed off, longer with each failure in a row; return the seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        seconds: float = max(at_least, min(self._cap, self._base * 2 ** min(failures, 30)))
        self._metrics.retries.inc()
        self.after(key, seconds)
        return seconds

    def succeeded(self, key: K) -> None:
        """Let the next failure of a key be its first."""
        self._failures.pop(key, None)

    async def take(self) -> K:
        """Wait for a key, the one that waited longest; give it back with `done`."""
        while not self._ready:
            self._filled.clear()
            await self._filled.wait()
        key, added = self._ready.popitem(last=False)
        self._disarm(key)
        self._working.add(key)
        self._metrics.queue_seconds.observe(_now() - added)
        return key

    def done(self, key: K) -> None:
        """Say that the work on a key has ended, well or badly."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def clear(self) -> None:
        """Forget all that waits or is put off, and all failures."""
        for key in list(self._timers):
            self._disarm(key)
        self._ready.clear()
        self._again.clear()
        self._failures.clear()

    def _disarm(self, key: K) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()


def _now() -> float:
    return asyncio.get_running_loop().time()
