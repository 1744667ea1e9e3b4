"""Receives an upload: a multipart form (RFC 7578) or the file alone; it is passed on as it arrives.

aiohttp's reader parses the form; this module adds limits, and turns malformed forms into a `Problem`.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from speechwhisper.errors import Problem
from speechwhisper.intake.options import is_option

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection

MAX_PARTS = 64
MAX_FIELD_BYTES = 256 * 1024
"""As in the bridge (MAX_FIELD_BYTES), which forwards prompts."""

FORM_OVERHEAD = 1024 * 1024
"""Allowance for the bytes of a body besides the file: boundaries, headers, fields."""

STALL_BYTES = 32 * 1024
"""An upload that sends less than this within the stall timeout is rejected; a trickle would hold a slot for hours.

With the default timeout that is 9 kbit/s: less than live speech in the usual codecs.
"""

_READ = 256 * 1024
_FIRST_READ = 8 * 1024
"""aiohttp's reader returns a chunk only once it has read the next one: with large ones, a wrong field would not be
rejected, nor a recording be begun, while an upload pauses early."""
_SHOWN = 80  # characters of a field's name in a message
_RECORDINGS = frozenset({"application/octet-stream", "application/ogg", "application/mp4"})
_PLAIN_ENCODINGS = frozenset({"", "binary", "8bit", "7bit"})
# The exceptions of aiohttp's reader for malformed input. RuntimeError: a malformed `_charset_` part.
_PARSE_ERRORS = (ValueError, AssertionError, RuntimeError, HttpProcessingError, web.RequestPayloadError)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of an upload: size of the file in bytes, and seconds without progress."""

    max_bytes: int
    stall_seconds: float


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, and the file name of its file."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    filename: str | None = None

    def first(self) -> dict[str, str]:
        """Return the first value of each field."""
        return {name: values[0] for name, values in self.fields.items()}


class Sink(Protocol):
    """Takes the file."""

    async def write(self, chunk: bytes) -> None:
        """Take a chunk, waiting while the sink is full; raises `Problem` if the file is rejected."""


def check_head(request: web.BaseRequest, limits: Limits) -> None:
    """Check the headers of a request before its body is read.

    Raises:
        Problem: `unsupported_media_type`, or `upload_too_large` if the declared length exceeds the limit.
    """
    if request.content_type != "multipart/form-data" and not _is_recording(request):
        raise Problem(
            "unsupported_media_type",
            "Send the file as multipart/form-data, or alone with its type, such as audio/wav.",
        )
    if (request.content_length or 0) > limits.max_bytes + FORM_OVERHEAD:
        raise _too_large(limits)


async def receive(
    request: web.Request,
    *,
    file_fields: Collection[str],
    limits: Limits,
    open_sink: Callable[[Form], Awaitable[Sink]],
) -> Form:
    """Read the form, or the recording that is the whole body, with its options in the query.

    Fields may precede or follow the file, and may have a file name, as browsers give each `Blob`.

    Args:
        request: Its body has not been read.
        file_fields: Accepted field names of the file.
        limits: Limits of the upload.
        open_sink: Called when the file starts, with the fields before it.

    Raises:
        Problem: The form is invalid, or the sink rejects the file.
    """
    upload = _Upload(request, limits)
    if _is_recording(request):
        form = Form({name: request.query.getall(name) for name in request.query}, "recording")
        await upload.body(await open_sink(form))
        return form
    form = Form()
    parts = 0
    other_file = None
    async for part in upload.parts():
        parts += 1
        if parts > MAX_PARTS:
            raise Problem("bad_multipart", f"The form has more than {MAX_PARTS} parts.")
        name = part.name
        if name is None:
            raise Problem("bad_multipart", "A part of the form has no name.")
        if name not in file_fields:
            if part.filename is not None and not is_option(name):
                other_file = name
                await upload.skip(part)
            else:
                form.fields.setdefault(name, []).append(await upload.field(part, name))
            continue
        if form.filename is not None:
            raise Problem("bad_field", "The form has more than one file.", param=name)
        form = Form(form.fields, part.filename or name)
        await upload.file(part, await open_sink(form))
    if form.filename is None:
        names = " or ".join(file_fields)
        sent = "" if other_file is None else f", not as {other_file[:_SHOWN]!r}"
        raise Problem("no_file", f"The form has no file; send it as {names}{sent}.", param=next(iter(file_fields)))
    return form


def _is_recording(request: web.BaseRequest) -> bool:
    """Return whether the body is a recording rather than a form, as `curl --data-binary` sends it."""
    if "Content-Type" not in request.headers:  # aiohttp supposes application/octet-stream
        return False
    return request.content_type.startswith(("audio/", "video/")) or request.content_type in _RECORDINGS


def _too_large(limits: Limits) -> Problem:
    return Problem("upload_too_large", f"The file is larger than {limits.max_bytes} bytes, this server's limit.")


class _Upload:
    """The body of a request, with its limits."""

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
                raise Problem("bad_multipart", "A part of the form is itself multipart.")
            if part.headers.get("Content-Transfer-Encoding", "").lower() not in _PLAIN_ENCODINGS:
                raise Problem(
                    "bad_multipart", "Content-Transfer-Encoding is deprecated in forms (RFC 7578) and not supported."
                )
            yield part

    async def field(self, part: BodyPartReader, name: str) -> str:
        """Return a field's text."""
        data = bytearray()
        while chunk := await self._chunk(part, _FIRST_READ):
            data += chunk
            if len(data) > MAX_FIELD_BYTES:
                raise Problem("bad_field", f"The field is larger than {MAX_FIELD_BYTES} bytes.", param=name)
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise Problem("bad_field", "The field is not valid UTF-8.", param=name) from None

    async def skip(self, part: BodyPartReader) -> None:
        """Discard a file that is not the recording."""
        size = 0
        while chunk := await self._chunk(part):
            size += len(chunk)
            if size > self._limits.max_bytes:
                raise _too_large(self._limits)

    async def file(self, part: BodyPartReader, sink: Sink) -> None:
        """Pass the file on, chunk by chunk."""
        sizes = itertools.chain([_FIRST_READ], itertools.repeat(_READ))
        await self._pass_on(lambda: self._chunk(part, next(sizes)), sink, part.name)

    async def body(self, sink: Sink) -> None:
        """Pass on a body that is the file, chunk by chunk."""
        await self._pass_on(self._body_chunk, sink, "file")

    async def _pass_on(self, read: Callable[[], Awaitable[bytes]], sink: Sink, name: str | None) -> None:
        size = 0
        while chunk := await read():
            size += len(chunk)
            if size > self._limits.max_bytes:
                raise _too_large(self._limits)
            before = self._loop.time()
            await sink.write(chunk)
            self._deadline += self._loop.time() - before  # time in which the sink was full does not count as a stall
        if not size:
            raise Problem("empty_file", "The file is empty.", param=name)

    async def _body_chunk(self) -> bytes:
        async with self._parsing():
            chunk = await self._request.content.read(_READ)
        self._progress(len(chunk))
        return chunk

    async def _chunk(self, part: BodyPartReader, size: int = _READ) -> bytes:
        async with self._parsing():
            chunk = await part.read_chunk(size)
        self._progress(len(chunk))
        return bytes(chunk)

    def _progress(self, size: int) -> None:
        self._recent += size
        if self._recent >= STALL_BYTES:
            self._recent = 0
            self._deadline = self._loop.time() + self._limits.stall_seconds

    @asynccontextmanager
    async def _parsing(self) -> AsyncIterator[None]:
        """Apply the stall timeout, and turn exceptions of the parser into a `Problem`."""
        try:
            async with asyncio.timeout_at(self._deadline):
                yield
        except TimeoutError:
            raise Problem(
                "upload_stalled",
                f"Less than {STALL_BYTES} bytes arrived within {self._limits.stall_seconds:g} s.",
            ) from None
        except _PARSE_ERRORS as error:
            raise Problem("bad_multipart", "The body is not a well-formed multipart form.") from error
