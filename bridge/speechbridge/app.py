"""Assembles the application, starts it, and stops it so that no request is cut."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

from speechbridge import memory
from speechbridge.api import chat, health, models, pages, process, transcriptions
from speechbridge.api.middleware import authorized, observed
from speechbridge.api.server import Runner
from speechbridge.service import SERVICE, assemble
from speechbridge.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from speechbridge.service import Service
    from speechbridge.settings import Settings

_NO_LIMIT = 2**62  # bytes are counted where they are read: `client_max_size` would also bound what only passes through
_CUT_AFTER = 1.0  # seconds that what is still in flight gets once the time to drain is over


def create_app(settings: Settings) -> web.Application:
    """Return the application; it assembles its parts with the running loop when it starts."""
    app = web.Application(middlewares=[observed, authorized], client_max_size=_NO_LIMIT)
    app[SERVICE] = assemble(settings)
    for family in (process, transcriptions, chat, models, health, pages):
        family.add_routes(app)
    app.cleanup_ctx.append(_looking_up_pods)
    return app


async def _looking_up_pods(app: web.Application) -> AsyncIterator[None]:
    """Know the pods before the first request, and keep knowing them."""
    pools = (app[SERVICE].pipeline.whisper, app[SERVICE].pipeline.llm)
    await asyncio.gather(*(pool.refresh() for pool in pools))
    tasks = [asyncio.create_task(pool.run()) for pool in pools]
    yield
    for task in tasks:
        task.cancel()
    for pool in pools:
        pool.close()


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then refuse new work, finish what is in flight, and leave."""
    app = create_app(settings)
    runner = Runner(app, shutdown_timeout=_CUT_AFTER)
    await runner.setup()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await web.TCPSite(runner, settings.server_host, settings.server_port, backlog=1024).start()
    memory.tune()
    # The loop would note each async generator in a weak set, to close them all when it ends: ours are closed by those
    # who use them (`aclosing`), and a request has a dozen.
    sys.set_asyncgen_hooks(firstiter=None)
    port = runner.addresses[0][1]
    logs.logger.info("serving", extra={"fields": {"port": port, **_described(settings)}})
    await stop.wait()
    await _drain(app[SERVICE])
    await runner.cleanup()


async def _drain(service: Service) -> None:
    """Turn `/readyz` off and wait for what is in flight, up to the deadline."""
    service.admission.stopping = True
    left = service.admission.in_flight
    logs.logger.info("stopping", extra={"fields": {"in_flight": left}})
    with suppress(TimeoutError):
        async with asyncio.timeout(service.settings.drain_timeout):
            await service.admission.drained()
    logs.logger.info("stopped", extra={"fields": {"cut": service.admission.in_flight}})


def _described(settings: Settings) -> dict[str, str]:
    return {
        "whisper": f"{settings.whisper_url} ({settings.transcriber})",
        "llm": f"{settings.ollama_url} ({settings.generator})",
    }
