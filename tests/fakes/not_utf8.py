"""A server whose status line is not UTF-8, as some proxies have it: their language in Latin-1."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

STATUS_LINE = b"HTTP/1.1 502 Bad G\xe4teway"


@asynccontextmanager
async def answering() -> AsyncIterator[str]:
    """Its base URL; it gives every request the same answer."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(STATUS_LINE + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
