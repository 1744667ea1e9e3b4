"""How a fake's answer gets onto the wire, and how a fault spoils it on the way."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import web

from fakes.faults import Answer, CutAnswer, Fault, Fragmented, Slow
from fakes.received import Received


@dataclass
class Reply:
    """An answer: a body of bytes has a Content-Length, an iterator's goes out chunk by chunk."""

    body: bytes | AsyncIterator[bytes]
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    early_head: bool = False
    """Send the head before there is a body to send."""
    announce_close: bool = False
    """Send `Connection: close`, then close."""
    hang_up: bool = False
    """Close after the answer without having said so."""


def wire(data: object) -> bytes:
    """JSON as these servers write it: UTF-8 as it is, not escaped."""
    return json.dumps(data, ensure_ascii=False).encode()


def event(data: object) -> bytes:
    """A server-sent event of one line."""
    return b"data: " + wire(data) + b"\n\n"


class ConnectionGoneError(Exception):
    """This fake has closed the connection on purpose."""


def canned(fault: Answer) -> Reply:
    return Reply(fault.body, fault.status, fault.content_type, fault.headers)


async def send(request: web.Request, received: Received, reply: Reply, fault: Fault | None) -> web.StreamResponse:
    """Send the reply as `fault` lets it; its head goes out with the first piece of the body, or early."""
    response = _head(reply)
    received.status = reply.status
    if reply.early_head:
        await response.prepare(request)
    sent = 0
    async with _closing(reply.body):
        async for piece in _pieces(reply.body, fault):
            chunk = piece[: fault.after - sent] if isinstance(fault, CutAnswer) else piece
            if not response.prepared:
                await response.prepare(request)
            await response.write(chunk)
            sent += len(chunk)
            if isinstance(fault, CutAnswer) and sent >= fault.after:
                close(request, reset=fault.reset)
    await response.prepare(request)
    await response.write_eof()
    if reply.hang_up and request.transport:
        request.transport.close()
    return response


@asynccontextmanager
async def _closing(body: bytes | AsyncIterator[bytes]) -> AsyncIterator[None]:
    """End what makes the body as soon as its client leaves, not when it happens to be collected."""
    try:
        yield
    finally:
        if isinstance(body, AsyncGenerator):
            await body.aclose()


def _head(reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.headers["Content-Type"] = reply.content_type
    if isinstance(reply.body, bytes):
        response.content_length = len(reply.body)
    else:
        response.enable_chunked_encoding()
    if reply.announce_close:
        response.force_close()
    return response


async def _pieces(body: bytes | AsyncIterator[bytes], fault: Fault | None) -> AsyncIterator[bytes]:
    first = True
    async for chunk in _chunks(body):
        size = fault.size if isinstance(fault, Fragmented) else max(1, len(chunk))
        for start in range(0, len(chunk), size):
            if isinstance(fault, Slow) and not first:
                await asyncio.sleep(fault.between_chunks)
            first = False
            yield chunk[start : start + size]


async def _chunks(body: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        yield body
        return
    async for chunk in body:
        yield chunk


def write_raw(request: web.Request, data: bytes) -> None:
    """Write past aiohttp, then close. Raises ConnectionGoneError."""
    if request.transport:
        request.transport.write(data)
    close(request, reset=False)


def close(request: web.Request, *, reset: bool) -> None:
    """End the connection: with RST, or with FIN behind what is written. Raises ConnectionGoneError."""
    transport = request.transport
    if transport is not None and reset:
        with suppress(OSError):
            linger = struct.pack("ii", 1, 0)  # close() sends RST
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    elif transport is not None:
        transport.close()
    raise ConnectionGoneError
