"""A rate-limited work queue with the semantics of client-go's workqueue, for one event loop.

While it is closed, nothing is queued: a replica on standby processes nothing.

A key is queued once however often it is added, is never processed by two workers at once, and is queued again if it was
added while being processed. A key that fails is delayed longer each time; other keys are not affected.
https://pkg.go.dev/k8s.io/client-go/util/workqueue
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from speechoperator.telemetry.metrics import Metrics

K = TypeVar("K", bound="Hashable")

_JITTER_SHARE = 0.25
_MAX_DOUBLINGS = 30
"""More doublings exceed any maximum, and overflow in the end."""


class WorkQueue(Generic[K]):
    """Not thread-safe.

    Args:
        base_delay: Seconds until the first retry of a key; doubles with each consecutive failure.
        max_delay: The longest delay of a retry, in seconds.
        metrics: Where depth, queue duration and retries are recorded.
        jitter: Returns a number from 0 to 1. Delays of retries are up to a quarter longer, so that keys that failed at
            the same time are not retried at the same time.
    """

    def __init__(
        self, base_delay: float, max_delay: float, metrics: Metrics, jitter: Callable[[], float] = random.random
    ) -> None:
        self._base_delay = base_delay
        self._max_delay = max_delay
        self._metrics = metrics
        self._jitter = jitter
        self._closed = False
        self._ready: OrderedDict[K, float] = OrderedDict()  # key to when it was added
        self._processing: set[K] = set()
        self._dirty: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._filled = asyncio.Event()
        metrics.follow(metrics.queue_depth, lambda: len(self._ready))

    def __len__(self) -> int:
        """Return how many keys wait for a worker, without the delayed ones."""
        return len(self._ready)

    def add(self, key: K) -> None:
        """Queue a key now; if it is being processed, as soon as that is done."""
        self._cancel(key)
        if self._closed:
            return
        if key in self._processing:
            self._dirty.add(key)
        elif key not in self._ready:
            self._ready[key] = _now()
            self._filled.set()

    def after(self, key: K, seconds: float) -> None:
        """Queue a key after a delay; an earlier delay of the same key takes precedence."""
        if self._closed or key in self._ready or key in self._dirty:
            return
        due = _now() + seconds
        timer = self._timers.get(key)
        if timer is None or due < timer.when():
            self._cancel(key)
            self._timers[key] = asyncio.get_running_loop().call_at(due, self.add, key)

    def retry(self, key: K, min_delay: float = 0.0) -> float:
        """Queue a key that failed, with exponential backoff; return the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        seconds: float = max(min_delay, min(self._max_delay, self._base_delay * 2 ** min(failures, _MAX_DOUBLINGS)))
        seconds *= 1 + _JITTER_SHARE * self._jitter()
        self._metrics.retries.inc()
        self.after(key, seconds)
        return seconds

    def succeeded(self, key: K) -> None:
        """Reset the backoff of a key."""
        self._failures.pop(key, None)

    async def take(self) -> K:
        """Wait for a key, the oldest one; call `done` after processing it."""
        while not self._ready:
            self._filled.clear()
            await self._filled.wait()
        key, added = self._ready.popitem(last=False)
        self._cancel(key)
        self._processing.add(key)
        self._metrics.queue_duration.observe(_now() - added)
        return key

    def done(self, key: K) -> None:
        """Mark a key as processed, whether that succeeded or failed."""
        self._processing.discard(key)
        if key in self._dirty:
            self._dirty.discard(key)
            self.add(key)

    def open(self) -> None:
        """Queue what is added from now on."""
        self._closed = False

    def close(self) -> None:
        """Queue nothing more; remove all queued and delayed keys, and reset all backoffs."""
        self._closed = True
        for key in list(self._timers):
            self._cancel(key)
        self._ready.clear()
        self._dirty.clear()
        self._failures.clear()

    def _cancel(self, key: K) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()


def _now() -> float:
    return asyncio.get_running_loop().time()
