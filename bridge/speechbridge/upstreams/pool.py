"""The pods of one upstream: found by name, lent by least outstanding work, waited for in one queue.

The queue is this bridge's own, and other bridges may use the same pods. A pod that refuses a request as busy is asked
again by the first request in the queue, within a quarter of a second.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
import ssl
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from speechbridge.telemetry import logs
from speechbridge.upstreams.choose import choose, rest_after, rest_when_busy
from speechbridge.upstreams.endpoint import Endpoint, Origin
from speechbridge.upstreams.failures import FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Resolve = Callable[[str, int], Awaitable[frozenset[str]]]

_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


@dataclass(frozen=True)
class PoolOptions:
    """How a pool behaves; all times in seconds."""

    slots: int | None
    dns_refresh: float
    connect_timeout: float
    keepalive_timeout: float
    hold_timeout: float
    queue_timeout: float


@dataclass(eq=False)
class _Waiter:
    avoid: frozenset[Endpoint]
    future: asyncio.Future[Endpoint] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Lease:
    """A pod lent for the duration of a block."""

    __slots__ = ("_avoid", "_endpoint", "_pool", "_prefer", "_retry")

    def __init__(self, pool: Pool, avoid: frozenset[Endpoint], prefer: Endpoint | None, *, retry: bool) -> None:
        self._pool = pool
        self._avoid = avoid
        self._prefer = prefer
        self._retry = retry

    async def __aenter__(self) -> Endpoint:
        self._endpoint = await self._pool.acquire(self._avoid, self._prefer, retry=self._retry)
        return self._endpoint

    async def __aexit__(self, _: type[BaseException] | None, error: BaseException | None, *__: object) -> None:
        self._pool.release(self._endpoint, error)


async def resolve(host: str, port: int) -> frozenset[str]:
    """Return the addresses of a name; an unknown name has none. OSError when the name server does not answer."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in _NO_SUCH_NAME:
            return frozenset()
        raise
    addresses = frozenset(str(item[4][0]) for item in found)
    # Of a name with both families (localhost) one is enough: a pod is one address, not two.
    ipv4 = frozenset(address for address in addresses if ":" not in address)
    return ipv4 or addresses


def origin_of(url: str) -> Origin:
    """Split an upstream's URL."""
    parts = urlsplit(url)
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    return Origin(parts.hostname or "", parts.port or (443 if tls else 80), parts.path.rstrip("/"), tls)


class Pool:
    """Lends pods. `run` keeps the look-up of the name going for as long as the bridge runs."""

    def __init__(
        self,
        url: str,
        options: PoolOptions,
        *,
        resolver: Resolve = resolve,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.origin = origin_of(url)
        self._options = options
        self._resolve = resolver
        self._jitter = jitter
        self._endpoints: dict[str, Endpoint] = {}
        self._waiters: deque[_Waiter] = deque()
        self._loop = asyncio.get_running_loop()
        self._retry_timer: asyncio.TimerHandle | None = None
        self._refreshing: asyncio.Task[None] | None = None

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The pods known now."""
        return tuple(self._endpoints.values())

    @property
    def waiting(self) -> int:
        """How many requests wait for a pod."""
        return len(self._waiters)

    @property
    def slots(self) -> int:
        """How many requests all pods together work on at once; at least 1, so that one can divide by it."""
        return max(1, sum(endpoint.slots or 1 for endpoint in self._endpoints.values()))

    async def run(self) -> None:
        """Look the name up again and again, until cancelled; the first time is `refresh`'s."""
        while True:
            await asyncio.sleep(self._options.dns_refresh)
            for endpoint in self._endpoints.values():
                endpoint.cut_stale()
            await self.refresh()

    async def refresh(self) -> None:
        """Look the name up once; pods that left finish what they have, new ones take work at once."""
        try:
            ipaddress.ip_address(self.origin.host)
        except ValueError:
            try:
                addresses = await self._resolve(self.origin.host, self.origin.port)
            except OSError as error:  # the pods are there still, as far as anyone knows
                logs.warning("upstream not looked up", host=self.origin.host, reason=str(error))
                return
        else:
            addresses = frozenset({self.origin.host})
        if addresses == self._endpoints.keys():
            return
        logs.info("upstream changed", host=self.origin.host, pods=len(addresses))
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
        """Cut all idle connections."""
        for endpoint in self._endpoints.values():
            endpoint.close()

    def lease(
        self,
        *,
        avoid: frozenset[Endpoint] = frozenset(),
        prefer: Endpoint | None = None,
        retry: bool = False,
    ) -> Lease:
        """Lend a pod for one request; a failure that leaves the block lets the pod rest according to its kind.

        Args:
            avoid: Pods that failed at this request: taken when there is no other, or none got free for `hold_timeout`.
            prefer: The pod that has this request's prompt in its cache: taken unless it has more work than others.
            retry: The request has had a pod in vain: it goes to the head of the queue, since it has waited already.
        """
        return Lease(self, avoid, prefer, retry=retry)

    async def acquire(
        self, avoid: frozenset[Endpoint], prefer: Endpoint | None = None, *, retry: bool = False
    ) -> Endpoint:
        """Take a pod, after those who came before; to be given back by `release`.

        Raises:
            UpstreamError: `connect` when no pod can be reached, `busy` when none got free in time.
        """
        endpoint = self._take(avoid, prefer) if not self._waiters else None
        return endpoint or await self._wait(avoid, retry=retry)

    def release(self, endpoint: Endpoint, error: BaseException | None) -> None:
        """Give a pod back, with what went wrong at it."""
        if error is None or (isinstance(error, UpstreamError) and not error.stale):
            self._learn(endpoint, error.kind if error else None)
        endpoint.outstanding -= 1
        if self._waiters:
            self._dispatch()

    def _learn(self, endpoint: Endpoint, failure: FailureKind | None) -> None:
        rest = rest_after(failure, self._jitter())
        if rest:
            endpoint.down = failure is FailureKind.CONNECT
            endpoint.aside_until = self._loop.time() + rest
        elif endpoint.busy:
            endpoint.aside_until = 0.0  # it has room again
        endpoint.busy = failure is FailureKind.BUSY
        if failure is FailureKind.CONNECT:
            self._refresh_soon()

    def _refresh_soon(self) -> None:
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = self._loop.create_task(self.refresh())

    def _take(self, avoid: frozenset[Endpoint], prefer: Endpoint | None = None) -> Endpoint | None:
        now = self._loop.time()
        chosen = choose(self._endpoints.values(), now, avoid=avoid, prefer=prefer)
        if chosen is not None:
            chosen.outstanding += 1
            chosen.last_used = now
            if chosen.busy:  # one request at a time asks whether it still is, not all that wait
                chosen.aside_until = now + rest_when_busy(self._jitter())
        return chosen

    async def _wait(self, avoid: frozenset[Endpoint], *, retry: bool) -> Endpoint:
        waiter = _Waiter(avoid)
        if retry:
            self._waiters.appendleft(waiter)
        else:
            self._waiters.append(waiter)
        self._dispatch()
        started = self._loop.time()
        try:
            while True:
                reachable = any(not endpoint.down for endpoint in self._endpoints.values())
                limit = self._options.queue_timeout if reachable else self._options.hold_timeout
                left = started + limit - self._loop.time()
                if left <= 0:
                    kind = FailureKind.BUSY if reachable else FailureKind.CONNECT
                    raise UpstreamError(kind, "every pod is busy" if reachable else "no pod can be reached")
                if not reachable:
                    self._refresh_soon()
                # Woken early enough to notice a change between reachable and not.
                await asyncio.wait([waiter.future], timeout=min(left, self._options.hold_timeout))
                if waiter.future.done():
                    return waiter.future.result()
                if waiter.avoid:  # no other pod got free: one that failed may do better by now
                    waiter.avoid = frozenset()
                    self._dispatch()
        except BaseException:
            if waiter.future.done() and not waiter.future.cancelled():
                waiter.future.result().outstanding -= 1
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            self._dispatch()

    def _dispatch(self) -> None:
        for waiter in tuple(self._waiters):
            endpoint = self._take(waiter.avoid)
            if endpoint is not None:
                self._waiters.remove(waiter)
                waiter.future.set_result(endpoint)
        if self._waiters:
            self._dispatch_when_one_returns()

    def _dispatch_when_one_returns(self) -> None:
        now = self._loop.time()
        returns = [endpoint.aside_until for endpoint in self._endpoints.values() if endpoint.aside_until > now]
        if self._retry_timer is not None:
            self._retry_timer.cancel()
            self._retry_timer = None
        if returns:
            self._retry_timer = self._loop.call_at(min(returns) + 0.001, self._dispatch)
