"""HTTP as bytes: for clients that misbehave, and for uploads whose every piece a test sends itself."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

DEADLINE = 5.0
BOUNDARY = "a-boundary"


def part(name: str, data: bytes | str, *, filename: str | None = None, headers: str = "") -> bytes:
    """A part of a form, from its delimiter to its last byte."""
    file = "" if filename is None else f'; filename="{filename}"'
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n{headers}\r\n'
    return head.encode() + (data.encode() if isinstance(data, str) else data) + b"\r\n"


def multipart(*parts: bytes) -> bytes:
    return b"".join(parts) + CLOSING


CLOSING = f"--{BOUNDARY}--\r\n".encode()


def head(path: str, *, length: int | None, headers: str = "", method: str = "POST") -> bytes:
    """The head of a request with a form; without a length its body is chunked."""
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    form = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    return f"{method} {path} HTTP/1.1\r\nHost: bridge\r\n{form}\r\n{framing}\r\n{headers}\r\n".encode()


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One connection to the bridge."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator[Self]:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    async def send(self, *data: bytes) -> None:
        async with asyncio.timeout(DEADLINE):
            for piece in data:
                self._writer.write(piece)
                await self._writer.drain()

    def pause(self) -> None:
        """Read nothing from now on."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def leave(self) -> None:
        """Go away without a word."""
        self._writer.transport.abort()

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self._writer.write_eof()

    async def reply(self) -> Reply:
        """The answer, interim ones (100) included."""
        async with asyncio.timeout(DEADLINE):
            lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            status = int(lines[0].split()[1])
            pairs = (line.split(": ", 1) for line in lines[1:] if line)
            headers = {name.lower(): value for name, value in pairs}
            if headers.get("transfer-encoding") == "chunked":
                body = await self._reader.readuntil(b"\r\n0\r\n\r\n")  # with the sizes of its chunks
            else:
                body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Reply(status, headers, body)

    async def ended(self) -> bytes:
        """What comes until the bridge closes the connection."""
        async with asyncio.timeout(DEADLINE):
            return await self._reader.read()


async def exchange(url: str, *data: bytes) -> Reply:
    """Send bytes on a connection of their own and return the answer."""
    async with Connection.to(url) as connection:
        await connection.send(*data)
        return await connection.reply()


@dataclass(frozen=True)
class Event:
    type: str
    data: Any


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[Event | str]:
    """The events of an answer as they come, data read as JSON; comments as text."""
    block: list[str] = []
    async with asyncio.timeout(DEADLINE):
        async for raw in response.content:
            line = raw.decode().rstrip("\n")
            if line:
                block.append(line)
                continue
            for item in _event(block):
                yield item
            block = []


async def all_events(response: aiohttp.ClientResponse) -> list[Event]:
    return [item async for item in events(response) if isinstance(item, Event)]


def types(items: Iterable[Event]) -> list[str]:
    """The types in their order, runs of the same type written once."""
    seen: list[str] = []
    for item in items:
        if not seen or seen[-1] != item.type:
            seen.append(item.type)
    return seen


def _event(block: list[str]) -> Iterable[Event | str]:
    fields = dict(line.split(": ", 1) for line in block if not line.startswith(":"))
    yield from (line for line in block if line.startswith(":"))
    if "data" in fields:
        data = fields["data"]
        yield Event(fields.get("event", "message"), data if data == "[DONE]" else json.loads(data))
