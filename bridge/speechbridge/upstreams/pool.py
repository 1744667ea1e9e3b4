"""The pods of one upstream: which exist, which are busy or ejected, and which requests wait for one.

The queue is this bridge's own, while other bridges may use the same pods. If a pod rejects a request as busy, the first
request in the queue tries it again within a quarter of a second.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from speechbridge.credentials import NO_CREDENTIALS, Credentials
from speechbridge.telemetry import logs
from speechbridge.upstreams.choose import busy_cooldown, choose, cooldown_after
from speechbridge.upstreams.discovery import origin_of, resolve
from speechbridge.upstreams.endpoint import Endpoint
from speechbridge.upstreams.failures import FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechbridge.upstreams.discovery import Resolve
    from speechbridge.wait_budget import WaitBudget

_REACHABILITY_CHECK_S = 1.0
"""How long a wait goes on before it is checked whether pods have become reachable, or unreachable."""
_TIMER_MARGIN_S = 0.001


@dataclass(frozen=True)
class PoolOptions:
    """How a pool behaves; times in seconds.

    Attributes:
        slots: Concurrent requests per pod, None for any number.
        dns_refresh: Between two DNS lookups.
        connect_timeout: For a connection to a pod.
        keepalive_timeout: Until an idle connection is closed.
        credentials: Sent with every request.
    """

    slots: int | None
    dns_refresh: float
    connect_timeout: float
    keepalive_timeout: float
    credentials: Credentials = NO_CREDENTIALS


@dataclass(eq=False)
class _Waiter:
    avoid: frozenset[Endpoint]
    future: asyncio.Future[Endpoint] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Acquisition:
    """Acquires a pod for the duration of a block: `async with pool.acquire(budget) as endpoint`."""

    __slots__ = ("_avoid", "_budget", "_endpoint", "_pool", "_prefer", "_retry")

    def __init__(
        self,
        pool: Pool,
        budget: WaitBudget,
        avoid: frozenset[Endpoint],
        prefer: Endpoint | None,
        *,
        retry: bool,
    ) -> None:
        self._pool = pool
        self._budget = budget
        self._avoid = avoid
        self._prefer = prefer
        self._retry = retry

    async def __aenter__(self) -> Endpoint:
        self._endpoint = self._pool.acquire_now(self._avoid, self._prefer) or await self._pool.wait_for_turn(
            self._budget, self._avoid, retry=self._retry
        )
        return self._endpoint

    async def __aexit__(self, _: type[BaseException] | None, error: BaseException | None, *__: object) -> None:
        self._pool.release(self._endpoint, error)


class Pool:
    """The pods of one upstream, found by DNS: each address of its host is one. `run` repeats the lookup."""

    def __init__(
        self,
        url: str,
        options: PoolOptions,
        *,
        resolver: Resolve = resolve,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.origin = origin_of(url, options.credentials)
        self._options = options
        self._resolve = resolver
        self._jitter = jitter
        self._endpoints: dict[str, Endpoint] = {}
        self._waiters: deque[_Waiter] = deque()
        self._loop = asyncio.get_running_loop()
        self._cooldown_timer: asyncio.TimerHandle | None = None
        self._refreshing: asyncio.Task[None] | None = None

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The pods known at present."""
        return tuple(self._endpoints.values())

    @property
    def waiting(self) -> int:
        """How many requests wait for a pod."""
        return len(self._waiters)

    @property
    def slots(self) -> int:
        """How many requests all pods together process at once; at least 1, so that it can be a divisor."""
        return max(1, sum(endpoint.slots or 1 for endpoint in self._endpoints.values()))

    async def run(self) -> None:
        """Repeat the lookup until cancelled; the first is done by `refresh`."""
        while True:
            await asyncio.sleep(self._options.dns_refresh)
            for endpoint in self._endpoints.values():
                endpoint.close_stale()
            await self.refresh()

    async def refresh(self) -> None:
        """Look the host up once; removed pods finish their requests, new ones get requests at once."""
        try:
            addresses = await self._resolve(self.origin.host, self.origin.port)
        except OSError as error:  # the pods may well exist still
            logs.warning("DNS lookup of the upstream failed", host=self.origin.host, reason=str(error))
            return
        if addresses == self._endpoints.keys():
            return
        logs.info("pods of the upstream changed", host=self.origin.host, pods=len(addresses))
        for gone in self._endpoints.keys() - addresses:
            self._endpoints.pop(gone).close()
        for address in addresses - self._endpoints.keys():
            self._endpoints[address] = Endpoint(
                self.origin,
                address,
                slots=self._options.slots,
                connect_timeout=self._options.connect_timeout,
                keepalive=self._options.keepalive_timeout,
            )
        self._dispatch()

    def close(self) -> None:
        """Close all idle connections."""
        for endpoint in self._endpoints.values():
            endpoint.close()

    def acquire(
        self,
        budget: WaitBudget,
        *,
        avoid: frozenset[Endpoint] = frozenset(),
        prefer: Endpoint | None = None,
        retry: bool = False,
    ) -> Acquisition:
        """Acquire a pod for one request, after the requests that came before; a failure in the block may eject the pod.

        Args:
            budget: How long the request may still wait.
            avoid: Pods that failed this request: chosen if there is no other, or none became free in time.
            prefer: The pod that has this request's prompt in its prefix cache.
            retry: An earlier attempt failed: the request goes to the head of the queue, since it has waited already.

        Raises:
            UpstreamError: `connect` if no pod can be reached, `busy` if none became free in time.
        """
        return Acquisition(self, budget, avoid, prefer, retry=retry)

    def acquire_now(self, avoid: frozenset[Endpoint], prefer: Endpoint | None = None) -> Endpoint | None:
        """Acquire a pod if one is free and no request is waiting; see `acquire`."""
        return None if self._waiters else self._try_acquire(avoid, prefer)

    async def wait_for_turn(self, budget: WaitBudget, avoid: frozenset[Endpoint], *, retry: bool) -> Endpoint:
        """Acquire a pod once it is this request's turn; see `acquire`."""
        waiter = _Waiter(avoid)
        if retry:
            self._waiters.appendleft(waiter)
        else:
            self._waiters.append(waiter)
        self._dispatch()
        try:
            while not waiter.future.done():
                await self._wait_a_while(waiter, budget)
            return waiter.future.result()
        except BaseException:
            if waiter.future.done() and not waiter.future.cancelled():
                waiter.future.result().outstanding -= 1
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            self._dispatch()

    async def _wait_a_while(self, waiter: _Waiter, budget: WaitBudget) -> None:
        """Wait until a pod is assigned, the budget is used up, or the state of the pods has to be checked."""
        reachable = [endpoint for endpoint in self._endpoints.values() if not endpoint.down]
        held = not reachable or bool(waiter.avoid and set(reachable) - waiter.avoid)
        left = budget.queue if reachable else budget.hold
        if left <= 0:
            kind = FailureKind.BUSY if reachable else FailureKind.CONNECT
            raise UpstreamError(kind, "every pod is busy" if reachable else "no pod can be reached")
        if not reachable:
            self._refresh_soon()
        limit = min(left, budget.hold) if held else left
        began = self._loop.time()
        await asyncio.wait([waiter.future], timeout=max(0.0, min(limit, _REACHABILITY_CHECK_S)))
        budget.spend(self._loop.time() - began, held=held)
        if waiter.avoid and budget.hold <= 0 and not waiter.future.done():
            waiter.avoid = frozenset()  # no other pod became free: one that failed may have recovered
            self._dispatch()

    def release(self, endpoint: Endpoint, error: BaseException | None) -> None:
        """Release a pod, with the error that ended its request."""
        if error is None or (isinstance(error, UpstreamError) and not error.stale):
            self._record(endpoint, error.kind if error else None)
        endpoint.outstanding -= 1
        if self._waiters:
            self._dispatch()

    def _record(self, endpoint: Endpoint, failure: FailureKind | None) -> None:
        cooldown = cooldown_after(failure, self._jitter())
        if cooldown:
            endpoint.down = failure is FailureKind.CONNECT
            endpoint.ejected_until = self._loop.time() + cooldown
        elif endpoint.busy:
            endpoint.ejected_until = 0.0  # it has a free slot again
        endpoint.busy = failure is FailureKind.BUSY
        if failure is FailureKind.CONNECT:
            self._refresh_soon()

    def _refresh_soon(self) -> None:
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = self._loop.create_task(self.refresh())

    def _try_acquire(self, avoid: frozenset[Endpoint], prefer: Endpoint | None = None) -> Endpoint | None:
        now = self._loop.time()
        chosen = choose(self._endpoints.values(), now, avoid=avoid, prefer=prefer)
        if chosen is not None:
            chosen.outstanding += 1
            chosen.last_used = now
            if chosen.busy:  # only one request at a time tries whether it is still busy
                chosen.ejected_until = now + busy_cooldown(self._jitter())
        return chosen

    def _dispatch(self) -> None:
        """Assign free pods to the waiting requests, first come, first served."""
        for waiter in tuple(self._waiters):
            endpoint = self._try_acquire(waiter.avoid)
            if endpoint is not None:
                self._waiters.remove(waiter)
                waiter.future.set_result(endpoint)
        if self._waiters:
            self._dispatch_after_cooldown()

    def _dispatch_after_cooldown(self) -> None:
        now = self._loop.time()
        ends = [endpoint.ejected_until for endpoint in self._endpoints.values() if endpoint.ejected_until > now]
        if self._cooldown_timer is not None:
            self._cooldown_timer.cancel()
            self._cooldown_timer = None
        if ends:
            self._cooldown_timer = self._loop.call_at(min(ends) + _TIMER_MARGIN_S, self._dispatch)
