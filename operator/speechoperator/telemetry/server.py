"""`/livez`, `/readyz` and `/metrics`, on the operator's own port."""

from __future__ import annotations

import json
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from speechoperator.errors import MethodNotAllowedError, PathNotFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from speechoperator.errors import OperatorError
    from speechoperator.telemetry.metrics import Metrics

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_ALL_ADDRESSES = "::"
_ALL_IPV4_ADDRESSES = "0.0.0.0"  # noqa: S104 - probes and scrapes come from outside the pod


@dataclass(frozen=True, slots=True)
class Service:
    """What the routes show.

    Attributes:
        metrics: The metrics.
        not_ready: Returns why the operator is not ready, "" when it is.
        not_alive: Returns why the operator has to be restarted, "" if it does not.
    """

    metrics: Metrics
    not_ready: Callable[[], str]
    not_alive: Callable[[], str] = str


SERVICE = web.AppKey("service", Service)


def create_app(service: Service) -> web.Application:
    """Return the application."""
    app = web.Application(middlewares=[with_problems])
    app[SERVICE] = service
    add_routes(app)
    return app


@asynccontextmanager
async def serving(host: str, port: int, service: Service) -> AsyncIterator[tuple[str, int]]:
    """Serve; yields the address and the port.

    Args:
        host: The address to listen on; "::" for IPv6 and IPv4.
        port: The port to listen on; 0 for a free one.
        service: What the routes show.

    Raises:
        OSError: the port is in use.
    """
    runner = web.AppRunner(create_app(service), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.SockSite(runner, listen(host, port)).start()
        host, port = runner.addresses[0][:2]
        yield host, port
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
    """Add the routes."""
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)


async def livez(request: web.Request) -> web.Response:
    """Return OK while the event loop runs and no worker hangs; 503 and the reason otherwise."""
    if reason := request.app[SERVICE].not_alive():
        return web.json_response({"status": "hung", "detail": reason}, status=503)
    return web.Response(text="OK")


async def readyz(request: web.Request) -> web.Response:
    """Return whether the caches are synced; 503 and the reason until then."""
    if reason := request.app[SERVICE].not_ready():
        return web.json_response({"status": "not ready", "detail": reason}, status=503)
    return web.json_response({"status": "ready"})


async def metrics(request: web.Request) -> web.Response:
    """Return the metrics in the Prometheus text format."""
    text = request.app[SERVICE].metrics.exposition()
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


@web.middleware
async def with_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer an unknown path or a wrong method with a problem document (RFC 9457)."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        allowed = error.headers["Allow"]
        refused = MethodNotAllowedError(f"{request.path} allows {allowed}, not {request.method}.")
        return _problem(error, refused, {"Allow": allowed})
    except web.HTTPNotFound as error:
        return _problem(error, PathNotFoundError("Only /livez, /readyz and /metrics are served."))


def _problem(answer: web.HTTPException, error: OperatorError, headers: dict[str, str] | None = None) -> web.Response:
    document = {
        "type": "about:blank",
        "title": answer.reason.capitalize(),
        "status": answer.status,
        "detail": str(error),
        "code": error.code,
    }
    return web.Response(
        text=json.dumps(document), status=answer.status, content_type="application/problem+json", headers=headers
    )
