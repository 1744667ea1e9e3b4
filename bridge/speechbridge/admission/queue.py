"""Admission control: two gates. Many requests may arrive at a time, few are worked on, and a bounded number waits.

A request holds no slot for work while its upload arrives, so slow senders do not delay others. What arriving requests
may hold is limited by the budgets in `intake/budget.py`, and by the number of connections.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

from speechbridge.admission.fair_queue import FairQueue
from speechbridge.admission.retry_after import RETRY_AFTER_STOPPING_S
from speechbridge.errors import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from speechbridge.wait_budget import WaitBudget


class Admission:
    """Works on `limit` requests at a time and queues `queue_limit` more, in equal shares for all callers.

    Args:
        limit: Maximum number of requests worked on.
        queue_limit: Maximum number of queued requests.
        retry_after: Returns the seconds to report in Retry-After, given the number of queued requests.

    Attributes:
        in_flight: How many requests are worked on.
        open: How many requests are inside: arriving, queued, worked on, or being answered.
        stopping: Whether new requests are rejected.
    """

    def __init__(self, limit: int, queue_limit: int, retry_after: Callable[[int], int]) -> None:
        self.in_flight = 0
        self.open = 0
        self.stopping = False
        self._limit = limit
        self._queue_limit = queue_limit
        self._retry_after = retry_after
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue()
        self._in_flight_of: dict[str, int] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def queued(self) -> int:
        """How many requests are queued."""
        return len(self._queue)

    @property
    def full(self) -> bool:
        """Whether a request that arrives now is queued, or rejected."""
        return self.in_flight >= self._limit or self._queue.size > 0

    @property
    def arriving(self) -> int:
        """How many requests have not been received completely."""
        return max(0, self.open - self.in_flight - self.queued)

    def check(self, caller: str = "") -> None:
        """Reject a request that would not be queued.

        Raises:
            Problem: `overloaded`, or `stopping` while the server shuts down.
        """
        if self.stopping:
            raise Problem("stopping", "This server is shutting down; try again.", retry_after=RETRY_AFTER_STOPPING_S)
        if self.in_flight >= self._limit and not self._has_room(caller):
            raise self._overloaded()

    def arrive(self, caller: str = "") -> None:
        """Let a request in until it calls `leave`; a shutdown waits for it.

        Raises:
            Problem: As `check` does.
        """
        self.check(caller)
        self.open += 1
        self._idle.clear()

    def leave(self) -> None:
        """Note that a request that was let in has ended."""
        self.open -= 1
        self._settle()

    def admit(self, budget: WaitBudget, caller: str = "") -> Slot:
        """Return a slot for work, to be taken with `async with`.

        Args:
            budget: How long the request may wait for it.
            caller: Whose request it is; callers share the slots.
        """
        return Slot(self, budget, caller)

    async def drained(self) -> None:
        """Wait until no request is inside."""
        await self._idle.wait()

    async def take(self, budget: WaitBudget, caller: str, *, first: bool) -> None:
        """Wait until the request may be worked on; see `Slot`."""
        if not self.full:
            self.enter(caller)
            return
        if not first and not self._has_room(caller):
            raise self._overloaded()
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        queued_at = loop.time()
        if not first and self.queued >= self._queue_limit:
            displaced = self._queue.displace()
            if not displaced.done():
                displaced.set_exception(self._overloaded())
        self._queue.push(caller, turn, first=first)
        self._idle.clear()
        try:
            async with asyncio.timeout(budget.queue):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release(caller)  # it became its turn at the same moment
            else:
                self._queue.remove(caller, turn)
                self._settle()
            if isinstance(error, TimeoutError):
                raise self._overloaded() from None
            raise
        finally:
            budget.spend(loop.time() - queued_at)

    def release(self, caller: str) -> None:
        """End the work on a request, and begin that on the next ones."""
        self.in_flight -= 1
        left = self._in_flight_of.pop(caller) - 1
        if left:
            self._in_flight_of[caller] = left
        while self._queue.size and self.in_flight < self._limit:
            caller, turn = self._queue.pop(self._in_flight_of)
            if not turn.done():
                turn.set_result(None)
                self.enter(caller)
        self._settle()

    def enter(self, caller: str) -> None:
        """Begin the work on a request that need not wait: there are free slots, and no others queue for them."""
        self.in_flight += 1
        self._in_flight_of[caller] = self._in_flight_of.get(caller, 0) + 1
        self._idle.clear()

    def _has_room(self, caller: str) -> bool:
        return self.queued < self._queue_limit or self._queue.may_displace(caller)

    def _settle(self) -> None:
        if not (self.in_flight or self.open or self._queue.size):
            self._idle.set()

    def _overloaded(self) -> Problem:
        seconds = self._retry_after(self.queued)
        return Problem("overloaded", f"Too many requests are waiting; try again in {seconds} s.", retry_after=seconds)


class Slot:
    """One of the slots for work, for the duration of a block.

    Entering it raises Problem `overloaded` if the queue is full, the budget is used up, or the place in the queue went
    to a caller with fewer requests.

    Attributes:
        waited: Seconds spent in the queue.
    """

    def __init__(self, admission: Admission, budget: WaitBudget, caller: str) -> None:
        self.waited = 0.0
        self._admission = admission
        self._budget = budget
        self._caller = caller
        self._held = False

    async def __aenter__(self) -> Self:
        await self._take(first=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.give()

    def take_now(self) -> None:
        """Take it without a wait: the admission is not full."""
        self._admission.enter(self._caller)
        self._held = True

    @asynccontextmanager
    async def released(self) -> AsyncIterator[None]:
        """Release the slot for the duration of a block, then wait for one again, before the caller's other requests."""
        self.give()
        yield
        await self._take(first=True)

    async def _take(self, *, first: bool) -> None:
        left = self._budget.queue
        try:
            await self._admission.take(self._budget, self._caller, first=first)
        finally:
            self.waited += left - self._budget.queue
        self._held = True

    def give(self) -> None:
        """Give it back; does nothing without one."""
        if self._held:
            self._held = False
            self._admission.release(self._caller)
