"""The upload: a multipart form (RFC 7578) read part by part, the file passed on as it arrives.

aiohttp's reader does the parsing; what is added here are the limits, and that a broken form is a refusal with a code.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from speechwhisper.errors import (
    BadFieldError,
    BadMultipartError,
    EmptyFileError,
    NoFileError,
    UploadStalledError,
    UploadTooLargeError,
    WrongContentTypeError,
)

MAX_PARTS = 64
MAX_FIELD_BYTES = 64 * 1024
FORM_OVERHEAD = 1024 * 1024
"""Bytes a body may have beyond the file: boundaries, headers, fields."""

STALL_BYTES = 4 * 1024
"""An upload that brings less than this in the stall time-out is given up: a byte a second would keep a slot."""

_READ = 256 * 1024
_PLAIN_ENCODINGS = frozenset({"", "binary", "8bit", "7bit"})
# All that aiohttp's reader raises on input it cannot parse. RuntimeError: a broken `_charset_` part.
_PARSE_ERRORS = (ValueError, AssertionError, RuntimeError, HttpProcessingError, web.RequestPayloadError)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one upload: bytes of the file, and seconds without progress."""

    max_bytes: int
    stall_seconds: float


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, and the name of its file."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    filename: str | None = None

    def first(self) -> dict[str, str]:
        """Return the first value of each field."""
        return {name: values[0] for name, values in self.fields.items()}


class Sink(Protocol):
    """Where the file goes."""

    async def write(self, chunk: bytes) -> None:
        """Take a chunk, waiting while there is no room; raises what the file is refused for."""


def check_head(request: web.BaseRequest, limits: Limits) -> None:
    """Refuse, before any of the body is read, what its headers already give away.

    Raises:
        WrongContentTypeError: not a multipart form.
        UploadTooLargeError: the declared length is over the limit.
    """
    if request.content_type != "multipart/form-data":
        raise WrongContentTypeError("send the file as multipart/form-data")
    if (request.content_length or 0) > limits.max_bytes + FORM_OVERHEAD:
        raise _too_large(limits)


async def receive(
    request: web.Request,
    *,
    file_fields: Collection[str],
    limits: Limits,
    open_sink: Callable[[Form], Awaitable[Sink]],
) -> Form:
    """Read the whole form; fields may come before or after the file.

    Args:
        request: its body has not been read yet.
        file_fields: names under which the file is accepted.
        limits: how much, and how slowly.
        open_sink: called with the fields that came before it when the file starts.

    Raises:
        RefusalError: whatever is wrong with the form, and what the sink refuses the file for.
    """
    upload = _Upload(request, limits)
    form = Form()
    parts = 0
    async for part in upload.parts():
        parts += 1
        if parts > MAX_PARTS:
            raise BadMultipartError(f"the form has more than {MAX_PARTS} parts")
        name = part.name
        if name is None:
            raise BadMultipartError("a part of the form has no name")
        if name not in file_fields:
            value = await upload.field(part, name)
            form.fields.setdefault(name, []).append(value)
            continue
        if form.filename is not None:
            raise BadFieldError("the form has more than one file", param=name)
        form = Form(form.fields, part.filename or name)
        await upload.file(part, await open_sink(form))
    if form.filename is None:
        raise NoFileError(f"the form has no file; send it as {' or '.join(file_fields)}", param=next(iter(file_fields)))
    return form


def _too_large(limits: Limits) -> UploadTooLargeError:
    return UploadTooLargeError(f"the file is larger than {limits.max_bytes} bytes, the most this server takes")


class _Upload:
    """One request's body with its limits."""

    def __init__(self, request: web.Request, limits: Limits) -> None:
        self._request = request
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._recent = 0
        self._deadline = self._loop.time() + limits.stall_seconds

    async def parts(self) -> AsyncIterator[BodyPartReader]:
        """Yield the form's parts in order."""
        async with self._parsing():
            reader = await self._request.multipart()
        while True:
            async with self._parsing():
                part = await reader.next()
            self._progress(STALL_BYTES)
            if part is None:
                return
            if isinstance(part, MultipartReader):
                raise BadMultipartError("a part of the form is itself multipart")
            if part.headers.get("Content-Transfer-Encoding", "").lower() not in _PLAIN_ENCODINGS:
                raise BadMultipartError(
                    "Content-Transfer-Encoding is deprecated in forms (RFC 7578) and not taken here"
                )
            yield part

    async def field(self, part: BodyPartReader, name: str) -> str:
        """Return a field's text."""
        data = bytearray()
        while chunk := await self._chunk(part):
            data += chunk
            if len(data) > MAX_FIELD_BYTES:
                raise BadFieldError(f"the field is larger than {MAX_FIELD_BYTES} bytes", param=name)
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise BadFieldError("the field is not UTF-8 text", param=name) from None

    async def file(self, part: BodyPartReader, sink: Sink) -> None:
        """Pass the file on, chunk by chunk."""
        size = 0
        while chunk := await self._chunk(part):
            size += len(chunk)
            if size > self._limits.max_bytes:
                raise _too_large(self._limits)
            before = self._loop.time()
            await sink.write(chunk)
            self._deadline += self._loop.time() - before  # waiting for room is not the client's fault
        if not size:
            raise EmptyFileError("the file is empty", param=part.name)

    async def _chunk(self, part: BodyPartReader) -> bytes:
        async with self._parsing():
            chunk = await part.read_chunk(_READ)
        self._progress(len(chunk))
        return bytes(chunk)

    def _progress(self, size: int) -> None:
        self._recent += size
        if self._recent >= STALL_BYTES:
            self._recent = 0
            self._deadline = self._loop.time() + self._limits.stall_seconds

    @asynccontextmanager
    async def _parsing(self) -> AsyncIterator[None]:
        """Wait no longer than the stall time-out, and turn the parser's errors into a refusal."""
        try:
            async with asyncio.timeout_at(self._deadline):
                yield
        except TimeoutError:
            raise UploadStalledError(
                f"less than {STALL_BYTES} bytes came within {self._limits.stall_seconds:g} s"
            ) from None
        except _PARSE_ERRORS as error:
            raise BadMultipartError("the body is not a well-formed multipart form") from error
