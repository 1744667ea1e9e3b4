"""Assigns requests to the pods of one upstream, and queues those that no pod accepts now.

A pod that reports its load has a queue of its own, shared by all bridges: requests are sent there at once, and move to
a pod that becomes idle while they wait. Any other pod gets as many requests as it has slots, and the rest wait here. If
a pod rejects a request as busy, the first request in the queue tries it again within a quarter of a second.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

from speechbridge.upstreams.acquisition import Acquisition
from speechbridge.upstreams.choose import Queued, busy_cooldown, choose, moves
from speechbridge.upstreams.discovery import resolve
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.upstreams.pods import Pods
from speechbridge.upstreams.reachability import Reachability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from speechbridge.upstreams.acquisition import PodRequest
    from speechbridge.upstreams.choose import PodState
    from speechbridge.upstreams.connection import Connection
    from speechbridge.upstreams.discovery import Resolve
    from speechbridge.upstreams.endpoint import Endpoint, Origin
    from speechbridge.upstreams.pods import PoolOptions
    from speechbridge.wait_budget import WaitBudget

_REACHABILITY_CHECK_S = 1.0
"""How long a wait goes on before it is checked whether pods have become reachable, or unreachable."""
_TIMER_MARGIN_S = 0.001


@dataclass(eq=False)
class _Waiter:
    request: PodRequest
    avoid: frozenset[Endpoint]
    future: asyncio.Future[Endpoint] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Pool:
    """The pods of one upstream, and the requests that wait for one.

    Args:
        url: The upstream.
        options: How the pool behaves.
        resolver: Looks a host up.
        jitter: Returns a random number from 0 to 1.

    Attributes:
        pods: The pods.
        reachability: Whether one of them can be reached, and who waits for that.
    """

    def __init__(
        self,
        url: str,
        options: PoolOptions,
        *,
        resolver: Resolve = resolve,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.pods = Pods(url, options, resolver, self._distribute)
        self.reachability = Reachability(self.pods)
        self._jitter = jitter
        self._waiters: deque[_Waiter] = deque()
        self._queued: dict[Acquisition, Connection] = {}
        self._loop = asyncio.get_running_loop()
        self._cooldown_timer: asyncio.TimerHandle | None = None

    @property
    def origin(self) -> Origin:
        """Where the upstream's URL points."""
        return self.pods.origin

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The pods known at present."""
        return self.pods.endpoints

    @property
    def reachable(self) -> bool:
        """Whether a pod can be reached, as far as known."""
        return self.pods.reachable

    @property
    def waiting(self) -> int:
        """How many requests of this bridge wait for a pod, those in a pod's queue included."""
        return self.reachability.held + len(self._waiters) + len(self._queued)

    @property
    def slots(self) -> int:
        """How many requests all pods together process at once; at least 1, so that it can be a divisor."""
        return max(1, sum(endpoint.slots or 1 for endpoint in self.endpoints))

    @property
    def speeds(self) -> tuple[float, ...]:
        """The speed of each pod in seconds of audio per second, as it reports it: of all its requests together.

        0 for a pod without a measured one; empty if no pod reports its load.
        """
        reports = [endpoint.account.report for endpoint in self.endpoints]
        return tuple(report.audio_seconds_per_second if report else 0.0 for report in reports) if any(reports) else ()

    def time(self) -> float:
        """Return the loop's time in seconds."""
        return self._loop.time()

    async def run(self) -> None:
        """Repeat the DNS lookup until cancelled; the first is done by `refresh`."""
        await self.pods.run()

    async def refresh(self) -> None:
        """Look the host up once; removed pods finish their requests, new ones get requests at once."""
        await self.pods.refresh()

    def close(self) -> None:
        """Close all idle connections, and end the background tasks."""
        self.pods.close()

    def acquire(self, request: PodRequest) -> Acquisition:
        """Acquire a pod for one request, after the requests that came before; a failure in the block may eject the pod.

        Raises:
            UpstreamError: `connect` if no pod can be reached, `busy` if none became free in time.
        """
        return Acquisition(self, request)

    def acquire_now(self, request: PodRequest) -> Endpoint | None:
        """Acquire a pod if one accepts the request and no other request is waiting; see `acquire`."""
        return None if self._waiters else self._try_acquire(request, request.avoid)

    async def wait_for_turn(self, request: PodRequest) -> Endpoint:
        """Acquire a pod once it is this request's turn; see `acquire`."""
        waiter = _Waiter(request, request.avoid)
        if request.retry:
            self._waiters.appendleft(waiter)
        else:
            self._waiters.append(waiter)
        self._dispatch()
        try:
            while not waiter.future.done():
                await self._wait_a_while(waiter, request.budget)
            return waiter.future.result()
        except BaseException:
            if waiter.future.done() and not waiter.future.cancelled():
                waiter.future.result().account.withdraw(request, request.weight)
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            self._dispatch()

    async def _wait_a_while(self, waiter: _Waiter, budget: WaitBudget) -> None:
        """Wait until a pod is assigned, the budget is used up, or the state of the pods has to be checked."""
        reachable = [endpoint for endpoint in self.endpoints if not endpoint.health.down]
        held = not reachable or bool(waiter.avoid and set(reachable) - waiter.avoid)
        left = budget.queue if reachable else budget.hold
        if left <= 0:
            kind = FailureKind.BUSY if reachable else FailureKind.CONNECT
            raise UpstreamError(kind, "every pod is busy" if reachable else "no pod can be reached")
        if not reachable:
            self.pods.refresh_soon()
        limit = min(left, budget.hold) if held else left
        began = self._loop.time()
        await asyncio.wait([waiter.future], timeout=max(0.0, min(limit, _REACHABILITY_CHECK_S)))
        budget.spend(self._loop.time() - began, held=held)
        if waiter.avoid and budget.hold <= 0 and not waiter.future.done():
            waiter.avoid = frozenset()  # no other pod became free: one that failed may have recovered
            self._dispatch()

    def release(self, endpoint: Endpoint, request: PodRequest, error: BaseException | None) -> None:
        """Release a pod, with the error that ended its request."""
        endpoint.account.end(request)
        if error is None:
            endpoint.health.succeeded(request.model, self._loop.time())
        elif isinstance(error, UpstreamError):
            self._record(endpoint, request, error)
        self._distribute()

    def _record(self, endpoint: Endpoint, request: PodRequest, error: UpstreamError) -> None:
        if error.kind is FailureKind.DIED:
            endpoint.close_idle()  # the other connections may be stale too
        if error.stale or (error.kind is FailureKind.BUSY and not error.sent):
            return  # the pod has not refused it: the request waited long enough
        endpoint.health.record(error.kind, request.model, self._loop.time(), self._jitter())
        if endpoint.health.down:
            self.pods.reconnect(endpoint)
            self.pods.refresh_soon()

    @contextmanager
    def queued(self, acquisition: Acquisition, connection: Connection) -> Iterator[None]:
        """Allow a request that waits in its pod's queue to move to another pod."""
        self._queued[acquisition] = connection
        if acquisition.request.may_recover:
            self._distribute_after_cooldown()
        try:
            yield
        finally:
            self._queued.pop(acquisition, None)

    def _distribute(self) -> None:
        """Let pods have more requests, after one of them has changed: those that have waited in a pod's queue first."""
        self.pods.observe()
        self.reachability.observe()
        if self._queued:
            self._move()
        if self._waiters:
            self._dispatch()

    def _move(self) -> None:
        """Move requests from the queues of their pods to pods that have become idle."""
        candidates = [item for item in self._queued.items() if not item[1].permitted]
        endpoints = list(dict.fromkeys((*self.endpoints, *(acquisition.endpoint for acquisition, _ in candidates))))
        index = {endpoint: position for position, endpoint in enumerate(endpoints)}
        queued = [
            Queued(
                index[acquisition.endpoint],
                frozenset(index[endpoint] for endpoint in acquisition.request.excluded if endpoint in index),
            )
            for acquisition, _ in candidates
        ]
        now, speed = self._loop.time(), self._speed()
        states = [endpoint.state(now, speed=speed) for endpoint in endpoints]
        for number, target in moves(states, queued):
            acquisition, connection = candidates[number]
            del self._queued[acquisition]
            acquisition.endpoint.account.withdraw(acquisition.request, acquisition.request.weight)
            acquisition.endpoint = endpoints[target]
            self._assign(acquisition.endpoint, acquisition.request)
            connection.withdraw()

    def _try_acquire(self, request: PodRequest, avoid: frozenset[Endpoint]) -> Endpoint | None:
        endpoints = self.pods.endpoints
        if len(endpoints) == 1:  # nothing to choose
            (endpoint,) = endpoints
            if not endpoint.accepts(self._loop.time()):
                return None
            self._assign(endpoint, request)
            return endpoint
        states, preferred = self._states(endpoints, request.model, avoid), None
        if request.prefer in endpoints:
            preferred = endpoints.index(request.prefer)
        chosen = choose(states, preferred)
        if chosen is None:
            return None
        self._assign(endpoints[chosen], request)
        return endpoints[chosen]

    def _states(self, endpoints: tuple[Endpoint, ...], model: str, avoid: frozenset[Endpoint]) -> list[PodState]:
        now, speed = self._loop.time(), self._speed()
        return [endpoint.state(now, avoided=endpoint in avoid, model=model, speed=speed) for endpoint in endpoints]

    def _speed(self) -> float:
        """Return the speed that is assumed of pods without a measured one, in seconds of audio per second."""
        measured = [speed for speed in self.speeds if speed]
        return fmean(measured) if measured else 1.0

    def _assign(self, endpoint: Endpoint, request: PodRequest) -> None:
        now = self._loop.time()
        endpoint.account.begin(request, request.weight, now)
        endpoint.last_used = now
        if endpoint.health.busy:  # only one request at a time tries whether it is still busy
            endpoint.health.ejected_until = now + busy_cooldown(self._jitter())

    def _dispatch(self) -> None:
        """Assign pods to the waiting requests, first come, first served."""
        for waiter in tuple(self._waiters):
            endpoint = self._try_acquire(waiter.request, waiter.avoid)
            if endpoint is not None:
                self._waiters.remove(waiter)
                waiter.future.set_result(endpoint)
        if self._waiters:
            self._distribute_after_cooldown()

    def _distribute_after_cooldown(self) -> None:
        now = self._loop.time()
        ends = [end for end in (endpoint.health.ejected_until for endpoint in self.endpoints) if end > now]
        if self._cooldown_timer is not None:
            self._cooldown_timer.cancel()
            self._cooldown_timer = None
        if ends:
            self._cooldown_timer = self._loop.call_at(min(ends) + _TIMER_MARGIN_S, self._distribute)
