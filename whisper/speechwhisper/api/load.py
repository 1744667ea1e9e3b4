"""The load: as `GET /load`, as its event stream, and in a header of every response."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from aiohttp import web

from speechwhisper.admission.retry_after import STOPPING_S
from speechwhisper.api.event_stream import HEADERS
from speechwhisper.api.outbox import send
from speechwhisper.errors import Problem
from speechwhisper.service import SERVICE

if TYPE_CHECKING:
    from speechwhisper.admission.slots import Slots

_MIN_INTERVAL_S = 1.0
"""Between two events."""

_KEEP_ALIVE_S = 15.0
"""Until a comment is sent if nothing else is."""


def add_routes(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/load", load)


async def send_load(request: web.Request, response: web.StreamResponse) -> None:
    """Add the load to the head of every response, including streams and errors (a signal of aiohttp)."""
    response.headers["Speech-Load"] = request.app[SERVICE].slots.load().to_header()


async def load(request: web.Request) -> web.StreamResponse:
    """Return the load, once or whenever it changes."""
    slots = request.app[SERVICE].slots
    if "text/event-stream" not in request.headers.get("Accept", ""):
        return web.json_response(slots.load().to_json())
    if slots.closed:
        raise Problem("busy", "The server is shutting down.", retry_after=STOPPING_S)
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    await _follow(request, response, slots)
    await response.write_eof()
    return response


async def _follow(request: web.Request, response: web.StreamResponse, slots: Slots) -> None:
    """Send the load now and on each change, at most once per second, until the server shuts down."""
    sent: dict[str, int | float] = {}
    while not slots.closed:
        now = slots.load().to_json()
        if now != sent:
            await send(request, response, f"data: {json.dumps(now)}\n\n".encode())
            sent = now
            await asyncio.sleep(_MIN_INTERVAL_S)
            continue
        try:
            async with asyncio.timeout(_KEEP_ALIVE_S):
                await slots.change()
        except TimeoutError:
            await send(request, response, b": keep-alive\n\n")
