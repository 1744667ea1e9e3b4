"""`GET /load`: what this bridge has to do, once or as events; the operator scales by it."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp import web

from speechbridge.admission.retry_after import RETRY_AFTER_STOPPING_S
from speechbridge.api import sse
from speechbridge.api.event_stream import HEADERS
from speechbridge.api.process import accepts_events
from speechbridge.errors import Problem
from speechbridge.service import SERVICE

if TYPE_CHECKING:
    from speechbridge.stages.load import Follower, Load

_MIN_INTERVAL_S = 1.0
"""Between two events, unless a request is held now and none was before."""

_KEEP_ALIVE_S = 15.0
"""Until a comment is sent if nothing else is."""


def add_routes(app: web.Application) -> None:
    """Add the route."""
    app.router.add_get("/load", load)


async def load(request: web.Request) -> web.StreamResponse:
    """Return the load, once or whenever it changes."""
    current = request.app[SERVICE].load
    if request.method == "HEAD" or not accepts_events(request):
        return web.json_response(current.document())
    if current.closed:
        raise Problem("stopping", "This server is shutting down; try again.", retry_after=RETRY_AFTER_STOPPING_S)
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    with current.following() as follower:
        await _follow(response, current, follower)
    return response


async def _follow(response: web.StreamResponse, current: Load, follower: Follower) -> None:
    """Send the load now and on each change, until it is closed or newer streams take the place of this one."""
    sent: dict[str, Any] = {}
    while not follower.ended:
        last, now = current.closed, current.document()
        if now != sent:
            await response.write(f"data: {json.dumps(now)}\n\n".encode())
        if last:
            return
        if now != sent:
            sent = now
            await _pause(current, held=bool(now["held"] or now["ollama"]["held"]))
            continue
        try:
            async with asyncio.timeout(_KEEP_ALIVE_S):
                await current.change()
        except TimeoutError:
            await response.write(sse.KEEP_ALIVE)


async def _pause(current: Load, *, held: bool) -> None:
    """Wait until the next event may be sent."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_MIN_INTERVAL_S):
            await (current.end() if held else current.hold())
