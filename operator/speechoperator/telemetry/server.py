"""`/livez`, `/readyz` and `/metrics`, on the operator's own port."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from speechoperator.telemetry.metrics import Metrics

_ALL_ADDRESSES = "::"
_ALL_IPV4_ADDRESSES = "0.0.0.0"  # noqa: S104 - probes and scrapes come from outside the pod


@dataclass(frozen=True, slots=True)
class Service:
    """What the routes show.

    Attributes:
        metrics: The metrics.
        not_ready: Returns why the operator is not ready, "" when it is.
    """

    metrics: Metrics
    not_ready: Callable[[], str]


SERVICE = web.AppKey("service", Service)


@asynccontextmanager
async def serving(host: str, port: int, service: Service) -> AsyncIterator[int]:
    """Serve; yields the port.

    Args:
        host: The address to listen on; "::" for IPv6 and IPv4.
        port: The port to listen on; 0 for a free one.
        service: What the routes show.

    Raises:
        OSError: the port is in use.
    """
    app = web.Application()
    app[SERVICE] = service
    add_routes(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.SockSite(runner, listen(host, port)).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; one for "::" takes IPv4 connections too, and IPv4 alone on a host without IPv6.

    Raises:
        OSError: the address is not available, or the port is in use.
    """
    if host == _ALL_ADDRESSES:
        if socket.has_dualstack_ipv6():
            return socket.create_server((host, port), family=socket.AF_INET6, dualstack_ipv6=True)
        host = _ALL_IPV4_ADDRESSES
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def add_routes(app: web.Application) -> None:
    """Register the routes."""
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)])


async def livez(_: web.Request) -> web.Response:
    """Respond: the event loop runs."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """Respond with 503 and the reason until the caches are synced."""
    reason = request.app[SERVICE].not_ready()
    return web.Response(text=f"not ready: {reason}\n" if reason else "ok\n", status=503 if reason else 200)


async def metrics(request: web.Request) -> web.Response:
    """Respond with the metrics in Prometheus' text format."""
    text = request.app[SERVICE].metrics.exposition()
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})
