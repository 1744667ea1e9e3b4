"""How many requests are worked on, how many wait, and what the rest are told: come back after so many seconds."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from speechbridge.errors import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Admission:
    """Lets `limit` requests in at a time and `queue_limit` wait, first come, first served, for `queue_timeout` seconds.

    Args:
        seconds_left: Tells what to put into Retry-After, given the number of requests in the queue.
    """

    def __init__(self, limit: int, queue_limit: int, queue_timeout: float, seconds_left: Callable[[int], int]) -> None:
        self.in_flight = 0
        self.stopping = False
        self._limit = limit
        self._queue_limit = queue_limit
        self._queue_timeout = queue_timeout
        self._seconds_left = seconds_left
        self._queue: deque[asyncio.Future[None]] = deque()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def queued(self) -> int:
        """How many requests wait for their turn."""
        return len(self._queue)

    def check(self) -> None:
        """Refuse a request that would not even be let into the queue.

        Raises:
            Problem: `overloaded`, or `stopping` once the server is to go.
        """
        if self.stopping:
            raise Problem("stopping", "This server is stopping; another one answers the next try.", retry_after=1)
        if self.in_flight >= self._limit and self.queued >= self._queue_limit:
            raise self._overloaded()

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[None]:
        """Let one request in for the duration of the block, after its turn in the queue.

        Raises:
            Problem: `overloaded`: the queue is full, or the turn did not come in time; `stopping`.
        """
        self.check()
        if self.in_flight >= self._limit or self._queue:
            await self._wait_for_turn()
        else:
            self._enter()
        try:
            yield
        finally:
            self._leave()

    async def drained(self) -> None:
        """Wait until no request is in flight or queued."""
        await self._idle.wait()

    async def _wait_for_turn(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(self._queue_timeout):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._leave()  # the turn came in the same moment
            elif turn in self._queue:
                self._queue.remove(turn)
            if isinstance(error, TimeoutError):
                raise self._overloaded() from None
            raise

    def _enter(self) -> None:
        self.in_flight += 1
        self._idle.clear()

    def _leave(self) -> None:
        self.in_flight -= 1
        while self._queue and self.in_flight < self._limit:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                self._enter()
        if not self.in_flight:
            self._idle.set()

    def _overloaded(self) -> Problem:
        seconds = self._seconds_left(self.queued)
        return Problem("overloaded", f"Too much is waiting already; try again in {seconds} s.", retry_after=seconds)
