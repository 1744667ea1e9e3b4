"""A parser of server-sent events (WHATWG HTML, 9.2 "Server-sent events") without a limit on line length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator


@dataclass(frozen=True)
class Event:
    """One event: its name (by default `message`) and its data, lines joined by a newline."""

    name: str
    data: str


async def events(chunks: AsyncIterable[bytes]) -> AsyncIterator[Event]:
    """Yield each complete event of a `text/event-stream`; comments and unknown fields are ignored."""
    name, data = "", list[str]()
    async for line in _lines(chunks):
        if not line:
            if data:
                yield Event(name or "message", "\n".join(data))
            name, data = "", []
            continue
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "event":
            name = value
        elif key == "data":
            data.append(value)


async def _lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[str]:
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode("utf-8", "replace")
