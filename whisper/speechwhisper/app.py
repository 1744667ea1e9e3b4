"""Assembles the application and runs it until told to stop."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable
from typing import cast

from aiohttp import web

from speechwhisper.api import asr, middleware, openai, probes
from speechwhisper.api.keys import JOBS, METRICS, SETTINGS
from speechwhisper.jobs import Jobs
from speechwhisper.recognition.port import Decoder
from speechwhisper.settings import Settings
from speechwhisper.slots import Slots
from speechwhisper.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_READ_BUFFER = 256 * 1024
"""The reader's high-water mark decides how fast an upload comes in."""

_GIVE_UP_SECONDS = 2.0
"""After the drain time-out: how long cancelled requests get to close their connections."""


def build(settings: Settings, decoder: Decoder, clock: Callable[[], float] = time.monotonic) -> web.Application:
    """Return the application around a loaded model."""
    # Bodies are counted and bounded while they stream; aiohttp's own limit would cut them off earlier.
    app = web.Application(middlewares=[middleware.observe], client_max_size=2**63)
    slots = Slots(settings.whisper_concurrency, clock)
    app[SETTINGS] = settings
    app[METRICS] = Metrics(
        settings.model_name,
        slots=slots.capacity,
        slots_busy=lambda: slots.busy,
        audio_left=lambda: slots.audio_left,
        realtime_factor=lambda: slots.speed.factor,
    )
    app[JOBS] = Jobs(decoder, slots, app[METRICS], max_audio_seconds=settings.max_audio_seconds, clock=clock)
    app.on_response_prepare.append(middleware.send_request_id)
    app.cleanup_ctx.append(_worker_threads)
    for family in (asr, openai, probes):
        family.setup(app)
    return app


async def _worker_threads(app: web.Application) -> AsyncIterator[None]:
    yield
    app[JOBS].close()


async def run_until_stopped(settings: Settings, decoder: Decoder) -> bool:
    """Serve until SIGTERM or SIGINT; returns whether all jobs finished."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return await serve(build(settings, decoder), stop)


async def serve(app: web.Application, stop: asyncio.Event) -> bool:
    """Listen until ``stop`` is set, then let running jobs finish.

    Returns:
        Whether all jobs finished within WHISPER_DRAIN_TIMEOUT.
    """
    settings, slots = app[SETTINGS], app[JOBS].slots
    runner = web.AppRunner(
        app,
        handler_cancellation=True,  # a client that leaves cancels its job
        access_log=None,  # `middleware` writes a line of its own
        shutdown_timeout=_GIVE_UP_SECONDS,
        read_bufsize=_READ_BUFFER,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.whisper_host, settings.whisper_port).start()
        port = cast("tuple[str, int]", runner.addresses[0])[1]
        logger.info("listening", extra={"host": settings.whisper_host, "port": port, "model": settings.model_name})
        await stop.wait()
        slots.close()
        logger.info("stopping", extra={"jobs": slots.busy, "drain_timeout": settings.whisper_drain_timeout})
        return await _drained(slots, settings.whisper_drain_timeout)
    finally:
        await runner.cleanup()


async def _drained(slots: Slots, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await slots.idle()
    except TimeoutError:
        logger.warning("jobs cut off by the drain time-out", extra={"jobs": slots.busy})
        return False
    return True
