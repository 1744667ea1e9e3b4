"""What a fake writes down about each request."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from aiohttp import BodyPartReader, hdrs, web

READ_SIZE = 64 * 1024
HEAD_SIZE = 64


@dataclass
class Audio:
    """A file part. Its bytes are not kept: tests send megabytes."""

    field: str
    filename: str | None
    content_type: str | None
    size: int = 0
    sha256: str = ""
    """Of what has been read so far; of the whole part once the upload is complete."""
    head: bytes = b""
    complete: bool = False


@dataclass
class Received:
    """One request, filled in as it proceeds. Times in seconds on the event loop's clock."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    arrived: float
    nth_on_connection: int
    """1 for the first request of a connection; more on a kept-alive one."""
    parts: list[str] = field(default_factory=list)
    """Names of the form's parts in the order sent."""
    form: dict[str, list[str]] = field(default_factory=dict)
    audio: Audio | None = None
    json: Any = None
    body_size: int = 0
    started: float | None = None
    """When the work began: later than the upload where jobs wait for each other."""
    finished: float | None = None
    status: int | None = None
    disconnected: bool = False
    """The client was gone before the answer was complete."""

    @property
    def asks_first(self) -> bool:
        """Whether the client waits for `100 Continue` before it sends the body."""
        return self.headers.get(hdrs.EXPECT, "").lower() == "100-continue"

    @property
    def before_the_file(self) -> list[str]:
        """Names of the form's parts before its file."""
        return self.parts[: self.parts.index(self.audio.field)] if self.audio else self.parts

    def value(self, name: str) -> str | None:
        """The last value of a text field; None when it was not sent."""
        return self.form[name][-1] if name in self.form else None


def reused(received: Received) -> bool:
    """For `script(..., only=reused)`: a request on a connection that has carried one before."""
    return received.nth_on_connection > 1


async def read_body(request: web.Request, received: Received) -> AsyncIterator[None]:
    """Read the request into `received`, yielding whenever something has arrived. ValueError on a broken form."""
    if request.content_type.startswith("multipart/"):
        async for _ in _read_form(request, received):
            yield
        return
    data = await request.read()
    if request.content_type == "application/x-www-form-urlencoded":
        received.form = parse_qs(data.decode(errors="replace"))
    received.body_size = len(data)
    try:
        received.json = json.loads(data) if data else None
    except ValueError:
        received.json = None
    yield


async def _read_form(request: web.Request, received: Received) -> AsyncIterator[None]:
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise TypeError("nested multipart")
        name = part.name or ""
        received.parts.append(name)
        if part.filename is None:
            received.form.setdefault(name, []).append((await part.read(decode=True)).decode(errors="replace"))
            yield
            continue
        received.audio = Audio(name, part.filename, part.headers.get(hdrs.CONTENT_TYPE))
        yield
        async for _ in _read_file(part, received, received.audio):
            yield


async def _read_file(part: BodyPartReader, received: Received, audio: Audio) -> AsyncIterator[None]:
    digest = hashlib.sha256()
    audio.sha256 = digest.hexdigest()
    while chunk := await part.read_chunk(READ_SIZE):
        digest.update(chunk)
        audio.head = (audio.head + chunk[:HEAD_SIZE])[:HEAD_SIZE]
        audio.size += len(chunk)
        audio.sha256 = digest.hexdigest()
        received.body_size += len(chunk)
        yield
    audio.complete = True
