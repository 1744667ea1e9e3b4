"""Assembles the application, starts it, and drains it before it exits."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

from speechbridge import memory, open_files
from speechbridge.api import chat, health, load, models, pages, process, responses, transcriptions
from speechbridge.api.connections import ConnectionLimits
from speechbridge.api.cors import CrossOrigin
from speechbridge.api.middleware import authorized, observed
from speechbridge.api.server import Runner, site
from speechbridge.service import SERVICE, assemble
from speechbridge.telemetry import logs, tracing
from speechbridge.upstreams.supervise import supervised

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from speechbridge.service import Service
    from speechbridge.settings import Settings
    from speechbridge.telemetry.spans import Tracing

_NO_LIMIT = 2**62  # bytes are counted where they are read: `client_max_size` would also limit what is only forwarded
_CANCEL_AFTER_S = 1.0  # for requests still in flight after DRAIN_TIMEOUT


def create_app(settings: Settings, traces: Tracing | None = None) -> web.Application:
    """Return the application; it looks up its upstreams when the event loop starts it, and closes `traces`."""
    middlewares = [observed, authorized] if settings.api_keys_dir else [observed]
    app = web.Application(middlewares=middlewares, client_max_size=_NO_LIMIT)
    app[SERVICE] = assemble(settings, traces)
    for family in (process, transcriptions, chat, responses, models, health, load, pages):
        family.add_routes(app)
    app[SERVICE].metrics.expect_requests(_answering_routes(app))
    CrossOrigin(settings.cors_allowed_origins).install(app)
    app.cleanup_ctx.append(_pod_discovery)
    if traces is not None:
        app.cleanup_ctx.append(_last_traces)
    app.cleanup_ctx.append(_models_file)
    return app


def _answering_routes(app: web.Application) -> list[str]:
    """Return the routes that transcribe or generate, those of the objectives; all others are GET."""
    return [route.resource.canonical for route in app.router.routes() if route.method == "POST" and route.resource]


async def _pod_discovery(app: web.Application) -> AsyncIterator[None]:
    """Resolve the upstreams before the first request, and again at intervals."""
    pools = (app[SERVICE].whisper, app[SERVICE].llm)
    await asyncio.gather(*(pool.refresh() for pool in pools))
    tasks = [asyncio.create_task(pool.run()) for pool in pools]
    yield
    for task in tasks:
        task.cancel()
    for pool in pools:
        pool.close()


async def _last_traces(app: web.Application) -> AsyncIterator[None]:
    """Send the traces of the last requests before the process ends."""
    yield
    if (traces := app[SERVICE].tracing) is not None:
        await asyncio.to_thread(traces.close)


async def _models_file(app: web.Application) -> AsyncIterator[None]:
    """Follow the file with the list of models, if there is one."""
    if (file := app[SERVICE].models_file) is None:
        yield
        return
    task = asyncio.create_task(supervised("list of models", file.run))
    yield
    task.cancel()


def connection_limits(settings: Settings) -> ConnectionLimits:
    """Return the limits on connections of clients."""
    return ConnectionLimits(
        connections=settings.max_connections,
        head_timeout=settings.client_head_timeout,
        idle_timeout=settings.client_idle_timeout,
        write_timeout=settings.client_write_timeout,
    )


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then reject new requests, drain those in flight, and return.

    Raises:
        OSError: The address cannot be listened on.
    """
    open_files.raise_limit(settings)
    app = create_app(settings, tracing.start(settings))
    runner = Runner(app, connection_limits(settings), app[SERVICE].metrics, shutdown_timeout=_CANCEL_AFTER_S)
    await runner.setup()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await site(runner, settings.server_host, settings.server_port).start()
    memory.tune_gc_and_malloc()
    # The loop would track every async generator in a weak set, to close them all when it ends. Ours are closed where
    # they are used (`aclosing`), and each request has some.
    sys.set_asyncgen_hooks(firstiter=None)
    host, port = runner.addresses[0][:2]
    logs.info("listening", host=host, port=port, **_upstreams(settings))
    await stop.wait()
    await _drain(app[SERVICE], runner)
    await runner.cleanup()


async def _drain(service: Service, runner: Runner) -> None:
    """Fail `/readyz` and wait until the requests in flight are answered, for at most DRAIN_TIMEOUT.

    The load is reported as long as a request may need a pod: a transcription in progress still wants an answer. A
    request leaves the admission before its response is written, and a client may take long to read it.
    """
    service.admission.stopping = True
    logs.info("stopping", in_flight=service.admission.open)
    with suppress(TimeoutError):
        async with asyncio.timeout(service.settings.drain_timeout):
            await service.admission.drained()
            service.load.close()
            await runner.sent()
    service.load.close()
    logs.info("stopped", cancelled=runner.unsent - service.load.followers)


def _upstreams(settings: Settings) -> dict[str, str]:
    return {
        "whisper": f"{settings.whisper_url} ({settings.transcriber})",
        "llm": f"{settings.generator_url} ({settings.generator})",
    }
