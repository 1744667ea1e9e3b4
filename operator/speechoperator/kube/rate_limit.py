"""A limit on requests to the API server: client-go's token bucket, with priorities.

A request that must not wait takes its token in advance, and the others wait longer.
https://pkg.go.dev/k8s.io/client-go/util/flowcontrol
"""

from __future__ import annotations

import asyncio
import heapq
from enum import IntEnum
from itertools import count

_ROUNDING = 1e-6


class Priority(IntEnum):
    """Who goes first while requests wait."""

    LEASE = 0
    """Never waits: a late renewal costs the leadership."""
    STATUS = 1
    """What people, other controllers and requests wait for: the status, and replicas."""
    NORMAL = 2


class RateLimit:
    """Not thread-safe.

    Args:
        per_second: Requests a second in the long run.
        burst: Requests at once after a quiet time.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = float(burst)
        self._at: float | None = None
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return sum(not future.done() for _, _, future in self._waiting)

    async def wait(self, priority: Priority = Priority.NORMAL) -> None:
        """Wait until a request may be sent."""
        self._refill()
        if priority is Priority.LEASE or (self._tokens >= 1 and not self._waiting):
            self._tokens -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), turn))
        self._schedule()
        await turn

    def _refill(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._at is not None:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now

    def _schedule(self) -> None:
        if self._timer is None and self._waiting:
            seconds = max(0.0, (1 - self._tokens) / self._per_second)
            self._timer = asyncio.get_running_loop().call_later(seconds, self._grant)

    def _grant(self) -> None:
        """Let those go for whom there is a token, the most urgent first; who was cancelled takes none."""
        self._timer = None
        self._refill()
        while self._waiting and (self._tokens >= 1 - _ROUNDING or self._waiting[0][2].done()):
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self._tokens -= 1
                turn.set_result(None)
        self._schedule()
