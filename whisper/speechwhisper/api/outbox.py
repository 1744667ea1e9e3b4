"""Sends the body of a stream: its producer never waits for the client, and a client that does not read is dropped."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from speechwhisper.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp import web

_SEND_TIMEOUT_S = 60.0
"""Within which a client has to read, once the buffers of the connection are full."""


async def send(request: web.Request, response: web.StreamResponse, data: bytes) -> None:
    """Send a piece of the body.

    Raises:
        ConnectionError: The client disconnected, or did not read in time; the connection is closed.
    """
    try:
        async with asyncio.timeout(_SEND_TIMEOUT_S):
            await response.write(data)
    except TimeoutError:
        logs.info("connection closed: the client does not read", timeout=_SEND_TIMEOUT_S)
        if request.transport is not None:
            request.transport.abort()
        message = "The client does not read."
        raise ConnectionResetError(message) from None


@asynccontextmanager
async def outbox(request: web.Request, response: web.StreamResponse) -> AsyncIterator[Callable[[bytes], None]]:
    """Yield a function that sends a piece of the body without waiting; the block ends when all are sent.

    Pieces are kept until the client reads them, so the memory depends on what the block puts in: here a transcript.
    """
    pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def send_all() -> None:
        while (piece := await pieces.get()) is not None:
            await send(request, response, piece)

    sending = asyncio.create_task(send_all())
    try:
        yield pieces.put_nowait
        pieces.put_nowait(None)
        await sending
    finally:
        sending.cancel()
        await asyncio.wait([sending])
        if not sending.cancelled():
            sending.exception()  # retrieved: raised above, or the request is being cancelled
