"""Sends responses to their last byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web


async def send_whole(request: web.Request, response: web.StreamResponse) -> None:
    """Send what is left of a response, and wait until the kernel has all of it.

    aiohttp regards a response as sent while up to 64 KiB wait in the process, which its exit would discard.

    Raises:
        ConnectionError: The client disconnected.
    """
    await response.prepare(request)
    await response.write_eof()
    transport = request.transport
    if transport is None or not transport.get_write_buffer_size():
        return
    transport.set_write_buffer_limits(0)
    try:
        await request.writer.drain()
    finally:
        transport.set_write_buffer_limits()
