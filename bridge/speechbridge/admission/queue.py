"""Admission control: how many requests are processed, how many wait, and when the others should retry."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from speechbridge.admission.retry_after import RETRY_AFTER_STOPPING_S
from speechbridge.errors import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from speechbridge.wait_budget import WaitBudget


class Admission:
    """Admits `limit` requests at a time and queues `queue_limit` more, first come, first served.

    Args:
        limit: Maximum number of requests in flight.
        queue_limit: Maximum number of queued requests.
        retry_after: Returns the seconds to report in Retry-After, given the number of queued requests.
    """

    def __init__(self, limit: int, queue_limit: int, retry_after: Callable[[int], int]) -> None:
        self.in_flight = 0
        self.stopping = False
        self._limit = limit
        self._queue_limit = queue_limit
        self._retry_after = retry_after
        self._queue: deque[asyncio.Future[None]] = deque()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def queued(self) -> int:
        """How many requests are queued."""
        return len(self._queue)

    def check(self) -> None:
        """Reject a request that would not be queued.

        Raises:
            Problem: `overloaded`, or `stopping` while the server shuts down.
        """
        if self.stopping:
            raise Problem("stopping", "This server is shutting down; try again.", retry_after=RETRY_AFTER_STOPPING_S)
        if self.in_flight >= self._limit and self.queued >= self._queue_limit:
            raise self._overloaded()

    @asynccontextmanager
    async def admit(self, budget: WaitBudget) -> AsyncIterator[None]:
        """Admit a request for the duration of the block, once it is its turn.

        Args:
            budget: How long the request may wait.

        Raises:
            Problem: `overloaded` if the queue is full or the budget is used up; `stopping`.
        """
        self.check()
        if self.in_flight >= self._limit or self._queue:
            await self._wait_for_turn(budget)
        else:
            self._enter()
        try:
            yield
        finally:
            self._leave()

    async def drained(self) -> None:
        """Wait until no request is in flight or queued."""
        await self._idle.wait()

    async def _wait_for_turn(self, budget: WaitBudget) -> None:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        queued_at = loop.time()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(budget.queue):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._leave()  # it became its turn at the same moment
            elif turn in self._queue:
                self._queue.remove(turn)
            if isinstance(error, TimeoutError):
                raise self._overloaded() from None
            raise
        finally:
            budget.spend(loop.time() - queued_at)

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
        seconds = self._retry_after(self.queued)
        return Problem("overloaded", f"Too many requests are waiting; try again in {seconds} s.", retry_after=seconds)
