"""The pods that an upstream's name resolves to, and the background tasks that each of them has."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechbridge.credentials import NO_CREDENTIALS, Credentials
from speechbridge.telemetry import logs
from speechbridge.upstreams.choose import cooldown_after
from speechbridge.upstreams.discovery import origin_of
from speechbridge.upstreams.endpoint import Endpoint
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.upstreams.follow_load import follow_load
from speechbridge.upstreams.outage import Outage, Sample, observed
from speechbridge.upstreams.supervise import supervised

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from speechbridge.upstreams.discovery import Resolve


COLD_S = 120.0
"""For how long a new pod that has not loaded its model is last in line: models of 100 GB are read within that from a
local disk. After that it gets requests as the others do, and the first one may have to wait."""


@dataclass(frozen=True)
class PoolOptions:
    """How a pool behaves; times in seconds.

    Attributes:
        slots: Concurrent requests per pod unless it reports its load, None for any number.
        dns_refresh: Between two DNS lookups.
        connect_timeout: For a connection to a pod.
        keepalive_timeout: Until an idle connection is closed.
        follow_load: Whether to follow the load that pods report.
        credentials: Sent with every request.
        until_warm: Returns once a new pod has loaded its model; None if pods are ready only then.
    """

    slots: int | None
    dns_refresh: float
    connect_timeout: float
    keepalive_timeout: float
    follow_load: bool = False
    credentials: Credentials = NO_CREDENTIALS
    until_warm: Callable[[Endpoint], Awaitable[None]] | None = None


class Pods:
    """The pods of one upstream: each address of its host is one. `run` repeats the lookup.

    Args:
        url: The upstream.
        options: How its pool behaves.
        resolve: Looks a host up.
        on_change: Called when requests may be assigned that could not be before.

    Attributes:
        endpoints: The pods known at present.
        outage: Since when no pod can be reached, as of the last `observe`.
    """

    def __init__(self, url: str, options: PoolOptions, resolve: Resolve, on_change: Callable[[], None]) -> None:
        self.origin = origin_of(url, options.credentials)
        self.endpoints: tuple[Endpoint, ...] = ()
        self.resolve = resolve
        self._options = options
        self._on_change = on_change
        self._known: dict[str, Endpoint] = {}
        self._leaving: dict[str, Endpoint] = {}
        self._tasks: dict[Endpoint, set[asyncio.Task[None]]] = {}
        self._loop = asyncio.get_running_loop()
        self._refreshing: asyncio.Task[None] | None = None
        self.outage = Outage(since=self._loop.time())

    @property
    def reachable(self) -> bool:
        """Whether a pod can be reached, as far as known."""
        for endpoint in self.endpoints:  # noqa: SIM110 - read several times a request: a generator costs three calls
            if not endpoint.health.down:
                return True
        return False

    @property
    def outstanding(self) -> dict[str, int]:
        """How many requests of this bridge each pod has, by its address; pods without any are missing."""
        every = (*self._known.values(), *self._leaving.values())
        return {endpoint.address: endpoint.outstanding for endpoint in every if endpoint.outstanding}

    async def run(self) -> None:
        """Repeat the lookup until cancelled; the first is done by `refresh`."""
        await supervised(f"pods of {self.origin.host}", self._refresh_forever)

    async def _refresh_forever(self) -> None:
        while True:
            await asyncio.sleep(self._options.dns_refresh)
            for endpoint in self._known.values():
                endpoint.close_stale()
            await self.refresh()

    async def refresh(self) -> None:
        """Look the host up once; removed pods finish their requests, new ones get requests at once."""
        try:
            addresses = await self.resolve(self.origin.host, self.origin.port)
        except OSError as error:  # the pods may well exist still
            logs.warning("DNS lookup of the upstream failed", host=self.origin.host, reason=str(error))
            return
        if addresses == self._known.keys():
            return
        logs.info("pods of the upstream changed", host=self.origin.host, pods=len(addresses))
        for gone in self._known.keys() - addresses:
            self._remove(gone)
        self._leaving = {address: endpoint for address, endpoint in self._leaving.items() if endpoint.outstanding}
        beside_others = bool(self._known)
        for address in sorted(addresses - self._known.keys()):
            self._add(address)
            if beside_others:
                self._wait_until_warm(self._known[address])
        self.endpoints = tuple(self._known.values())
        self._on_change()

    def refresh_soon(self) -> None:
        """Look the host up in the background, unless that is being done."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = self._loop.create_task(self.refresh())

    def reconnect(self, endpoint: Endpoint) -> None:
        """Try in the background to connect to a pod that is down: no request is to wait for it."""
        if endpoint in self._known.values():
            if len(self._known) > 1:
                self._wait_until_warm(endpoint)  # it may have restarted
            self._start(endpoint, "probe", lambda: self._reconnect(endpoint))

    def observe(self) -> None:
        """Update `outage`, after the state of a pod has changed."""
        if self.outage.since is None and self.reachable:
            return  # nothing has changed, as most often
        health = [endpoint.health for endpoint in self.endpoints]
        contact_at = max((pod.contact_at for pod in health), default=float("-inf"))
        sample = Sample(found=bool(health), up=any(not pod.down for pod in health), contact_at=contact_at)
        self.outage = observed(self.outage, sample, self._loop.time())

    def close(self) -> None:
        """Close all idle connections, and end the background tasks."""
        for endpoint in self._known.values():
            self._stop(endpoint)
            endpoint.close()

    def _add(self, address: str) -> None:
        endpoint = self._leaving.pop(address, None)
        if endpoint is None:
            endpoint = Endpoint(
                self.origin,
                address,
                slots=self._options.slots,
                connect_timeout=self._options.connect_timeout,
                keepalive=self._options.keepalive_timeout,
                on_change=self._on_change,
            )
        else:
            endpoint.reopen()
        self._known[address] = endpoint
        if self._options.follow_load:
            self._start(endpoint, "load", lambda: follow_load(endpoint))
        if endpoint.health.down:
            self.reconnect(endpoint)

    def _remove(self, address: str) -> None:
        endpoint = self._known.pop(address)
        self._stop(endpoint)
        endpoint.close()
        if endpoint.outstanding:
            self._leaving[address] = endpoint  # it may be back before they are done

    async def _reconnect(self, endpoint: Endpoint) -> None:
        while endpoint.health.down:
            await asyncio.sleep(cooldown_after(FailureKind.CONNECT, random.random()))  # noqa: S311 - no secret
            try:
                await endpoint.probe()
            except UpstreamError:
                continue

    def _wait_until_warm(self, endpoint: Endpoint) -> None:
        """Let other pods get requests first until this one has loaded its model."""
        if until_warm := self._options.until_warm:
            endpoint.health.cold = True
            self._start(endpoint, "warmth", lambda: self._warm(endpoint, until_warm))

    async def _warm(self, endpoint: Endpoint, until_warm: Callable[[Endpoint], Awaitable[None]]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(COLD_S):
                await until_warm(endpoint)
        endpoint.health.cold = False
        self._on_change()

    def _start(self, endpoint: Endpoint, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Start a task of a pod unless it runs already."""
        tasks = self._tasks.setdefault(endpoint, set())
        if any(task.get_name() == name and not task.done() for task in tasks):
            return
        task = self._loop.create_task(supervised(f"{name} of {endpoint.address}", work), name=name)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def _stop(self, endpoint: Endpoint) -> None:
        for task in self._tasks.pop(endpoint, ()):
            task.cancel()
