"""Holds requests while no pod of a stage can be reached: one that starts from zero, or restarts, gets them.

What held requests may use is bounded: their number by MAX_HELD_REQUESTS, their time by HOLD_TIMEOUT, and their bytes by
the budgets in `intake/budget.py`. They occupy no slot for work.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

from speechbridge.admission.retry_after import retry_after_outage
from speechbridge.errors import PROBLEMS, Problem
from speechbridge.stages.attempt import outcome_of
from speechbridge.upstreams.failures import FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from speechbridge.errors import Loading
    from speechbridge.stages.call import Call
    from speechbridge.stages.demand import Demand, Seconds
    from speechbridge.stages.problems import StageName
    from speechbridge.telemetry.metrics import Metrics
    from speechbridge.upstreams.pool import Pool

_CHECK_S = 1.0
"""How long a wait goes on before the pods are looked up again."""

_MIN_LOOKUP_INTERVAL_S = 0.5

_TELL_AFTER_S = 10.0
"""Until the client of a stream is told that the service starts, and until it is told again. Before that, most restarts
are over; and once the stream has begun, a 503 with `Retry-After` is no longer possible."""

Code = Literal["transcriber_unavailable", "generator_unavailable"]


class Hold:
    """Holds the requests of one stage.

    Args:
        stage: The stage.
        pool: The pods.
        demand: Counts the requests.
        metrics: Where the durations are recorded.
        limit: Maximum number of held requests.
        code: The error of those beyond.
        progress: Returns how far the start is, for that error; None if unknown.
    """

    def __init__(
        self,
        stage: StageName,
        pool: Pool,
        demand: Demand,
        metrics: Metrics,
        limit: int,
        code: Code,
        progress: Callable[[str], Awaitable[Loading | None]],
    ) -> None:
        self._stage = stage
        self._metrics = metrics
        self._pool = pool
        self._demand = demand
        self._limit = limit
        self._code = code
        self._progress = progress
        self._looked_up_at = float("-inf")

    async def until_reachable(self, call: Call, audio_seconds: Seconds = 0.0) -> None:
        """Return once a pod can be reached.

        Raises:
            Problem: Too many requests are held; or `overloaded`, when there is no slot for work afterwards.
            UpstreamError: `connect`: no pod could be reached within HOLD_TIMEOUT.
        """
        if self._pool.reachable:
            return
        if self._pool.reachability.held >= self._limit:
            self._demand.remember()
            raise self._full()
        self._pool.reachability.wanted()
        self._pool.reachability.held += 1
        try:
            with self._demand.held(audio_seconds):
                async with _without_slot(call):
                    await self._measured_wait(call)
        finally:
            self._pool.reachability.held -= 1

    async def _measured_wait(self, call: Call) -> None:
        began, outcome = self._pool.time(), "ok"
        try:
            await self._wait(call)
        except BaseException as error:
            outcome = outcome_of(error, expired=bool(call.deadline.expired))
            raise
        finally:
            seconds = self._pool.time() - began
            self._metrics.hold_seconds.labels(self._stage, outcome).observe(seconds, call.timeline.trace_id)

    async def _wait(self, call: Call) -> None:
        pool, budget = self._pool, call.budget
        began = pool.time()
        tell_at = began + _TELL_AFTER_S
        queued = call.timeline.queued
        while not pool.reachable:
            if budget.hold <= 0:
                raise UpstreamError(FailureKind.CONNECT, "no pod can be reached")
            since = pool.time()
            if since - self._looked_up_at >= _MIN_LOOKUP_INTERVAL_S:  # for all held requests
                self._looked_up_at = since
                pool.pods.refresh_soon()
            await pool.reachability.wait(min(budget.hold, _CHECK_S))
            now = pool.time()
            budget.hold -= now - since
            call.timeline.queued = queued + now - began
            call.deadline.progress()
            if now >= tell_at:
                await call.on_starting(await self._progress(self._code))
                tell_at = now + _TELL_AFTER_S

    def _full(self) -> Problem:
        title = PROBLEMS[self._code][1]
        seconds = retry_after_outage(self._pool.reachability.remaining())
        detail = f"{title}, and {self._pool.reachability.held} requests wait for it already; try again in {seconds} s."
        return Problem(self._code, detail, retry_after=seconds)


@asynccontextmanager
async def _without_slot(call: Call) -> AsyncIterator[None]:
    """Release the slot for work for the duration of a block; the total time of the work starts afresh after it."""
    if call.slot is None:
        yield
        return
    call.deadline.suspend()
    async with call.slot.released():
        yield
    call.deadline.begin()
