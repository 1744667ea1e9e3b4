"""Assembles the application, serves it, and drains it before it exits."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

from aiohttp import web

from speechwhisper.api import asr, health, load, middleware, openai
from speechwhisper.api.server import Runner, site
from speechwhisper.service import SERVICE, assemble
from speechwhisper.telemetry import logs, tracing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from speechwhisper.admission.in_flight import InFlight
    from speechwhisper.recognition.port import Decoder
    from speechwhisper.settings import Settings
    from speechwhisper.telemetry.spans import Tracing

_CANCEL_AFTER_S = 2.0  # for cancelled requests to close their connections after WHISPER_DRAIN_TIMEOUT
_NO_LIMIT = 2**63  # bodies are counted and limited while they stream; aiohttp's own limit would cut them off earlier


def build(
    settings: Settings,
    decoder: Decoder,
    clock: Callable[[], float] = time.monotonic,
    traces: Tracing | None = None,
) -> web.Application:
    """Return the application around a loaded model; it closes `traces`."""
    app = web.Application(middlewares=[middleware.observed], client_max_size=_NO_LIMIT)
    app[SERVICE] = assemble(settings, decoder, clock, traces)
    app.on_response_prepare.append(middleware.send_request_id)
    app.on_response_prepare.append(load.send_load)
    app.cleanup_ctx.append(_worker_threads)
    if traces is not None:
        app.cleanup_ctx.append(_last_traces)
    for family in (asr, openai, health, load):
        family.add_routes(app)
    return app


async def _worker_threads(app: web.Application) -> AsyncIterator[None]:
    yield
    app[SERVICE].jobs.close()


async def _last_traces(app: web.Application) -> AsyncIterator[None]:
    """Send the traces of the last requests before the process ends."""
    yield
    if (traces := app[SERVICE].tracing) is not None:
        await asyncio.to_thread(traces.close)


async def run_until_stopped(settings: Settings, decoder: Decoder) -> bool:
    """Serve until SIGTERM or SIGINT, or until a device is broken; see `serve`.

    Raises:
        OSError: The address cannot be listened on.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return await serve(build(settings, decoder, traces=tracing.start(settings)), stop)


async def serve(app: web.Application, stop: asyncio.Event) -> bool:
    """Serve until `stop` is set or a device is broken, then reject new requests and drain those in flight.

    Returns:
        Whether no device is broken, and all responses were sent within WHISPER_DRAIN_TIMEOUT.
    """
    settings, slots, decoder = app[SERVICE].settings, app[SERVICE].slots, app[SERVICE].jobs.decoder
    in_flight, loop = app[SERVICE].in_flight, asyncio.get_running_loop()

    def broken() -> None:  # in a thread of the decoder
        loop.call_soon_threadsafe(stop.set)

    decoder.on_broken(broken)
    runner = Runner(app, shutdown_timeout=_CANCEL_AFTER_S)
    await runner.setup()
    try:
        await site(runner, settings.server_host, settings.server_port).start()
        host, port = runner.addresses[0][:2]
        logs.info("listening", host=host, port=port, model=settings.model_name)
        await stop.wait()
        slots.close()
        reason = "a device is broken" if decoder.broken else "signal"
        logs.info("stopping", reason=reason, jobs=slots.busy, drain_timeout=settings.whisper_drain_timeout)
        finished = await _drained(in_flight, settings.whisper_drain_timeout)
        logs.info("stopped", cancelled=in_flight.count)
        return finished and not decoder.broken
    finally:
        await runner.cleanup()


async def _drained(in_flight: InFlight, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await in_flight.idle()
    except TimeoutError:
        logs.warning("requests cancelled by the drain timeout", requests=in_flight.count)
        return False
    return True
