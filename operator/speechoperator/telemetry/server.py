"""`/livez`, `/readyz` and `/metrics` on the operator's own port."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from speechoperator.telemetry.metrics import Metrics


@asynccontextmanager
async def serving(host: str, port: int, metrics: Metrics, waits_for: Callable[[], str]) -> AsyncIterator[int]:
    """Serve; yields the port.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        metrics: What `/metrics` shows.
        waits_for: Why the operator is not ready, "" when it is.

    Raises:
        OSError: the port is taken.
    """

    async def livez(_: web.Request) -> web.Response:
        """Answer: that the event loop comes round to it is what is asked."""
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        missing = waits_for()
        return web.Response(text=f"not ready: {missing}\n" if missing else "ok\n", status=503 if missing else 200)

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", show)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
