"""The steps shared by the routes with an upload: check the head, acquire a slot, decode the file while it arrives."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Generic, TypeVar

from speechwhisper.api.middleware import expects_continue
from speechwhisper.errors import Problem
from speechwhisper.intake.announced import announced_seconds
from speechwhisper.intake.multipart import Form, Limits, check_head, receive
from speechwhisper.jobs import Job, Run
from speechwhisper.recognition.options import Options
from speechwhisper.service import SERVICE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

    from aiohttp import web

R = TypeVar("R", bound=Run[object])

_REPLAYED_BYTES = 8 * 1024 * 1024
"""Beginning of the file that is kept until the form is complete, in case that a later field changes the options."""

_FIELDS = {
    "separate_channels": "channels",
    "temperatures": "temperature",
    "word_timestamps": "timestamp_granularities[]",
}
"""Names of form fields that differ from those of the options."""


class Upload(Generic[R]):
    """An upload whose file is recognized while it arrives.

    The recognition begins with the fields before the file. If a field after it changes the options, it begins again.

    Args:
        begin: Starts the recognition.
        options: Returns the options in the fields received so far.

    Attributes:
        early: The fields before the file.
        running: The recognition.
    """

    early: Form
    running: R

    def __init__(self, begin: Callable[[Options], R], options: Callable[[Form], Options]) -> None:
        self._begin = begin
        self._options_in = options
        self._options = Options()
        self._kept: list[bytes] | None = []
        self._size = 0
        self._final = False
        self.begun = asyncio.Event()
        self.receiving: asyncio.Task[Form]

    async def form(self) -> Form:
        """Wait for the whole form; `running` is final then.

        Raises:
            Problem: The upload is invalid.
        """
        return await asyncio.shield(self.receiving)

    def commit(self) -> R:
        """Return the recognition, which does not begin again: its first results are used before the upload ends."""
        self._final = True
        self._kept = None
        return self.running

    async def open(self, form: Form) -> Upload[R]:
        """Start with the fields before the file; the sink of the file."""
        self.early = Form({name: list(values) for name, values in form.fields.items()}, form.filename)
        self._options = self._options_in(form)
        self.running = self._begin(self._options)
        self.begun.set()
        return self

    async def write(self, chunk: bytes) -> None:
        """Pass on bytes of the file."""
        self._size += len(chunk)
        if self._size > _REPLAYED_BYTES:
            self._kept = None
        if self._kept is not None:
            self._kept.append(chunk)
        await self.running.write(chunk)

    async def complete(self, form: Form) -> None:
        """End the file, and begin again if the options changed.

        Raises:
            Problem: `bad_field`: they cannot change any more.
        """
        options = self._options_in(form)
        if options != self._options:
            if self._kept is None:
                raise _late(self._options, options)
            await self.running.stop()
            self.running = self._begin(options)
            for chunk in self._kept:
                await self.running.write(chunk)
        self._kept = None
        self.running.end()


def limits(request: web.Request) -> Limits:
    """Return the limits of an upload, from the settings."""
    settings = request.app[SERVICE].settings
    return Limits(settings.max_upload_bytes, settings.upload_stall_timeout)


async def before_continue(request: web.Request) -> None:
    """Leave `100 Continue` to `upload`, which sends it once the request has a slot (a hook of aiohttp)."""
    del request


@asynccontextmanager
async def upload(
    request: web.Request,
    file_fields: Collection[str],
    *,
    begin: Callable[[Job, Options], R],
    options: Callable[[Form], Options],
    raw: bool = False,
) -> AsyncIterator[Upload[R]]:
    """Acquire a slot for the duration of the block, and receive the upload; the block starts once its file begins.

    Until the request has a slot its body is not read. With `Expect: 100-continue` the client does not even send it.

    Args:
        request: Its body has not been read.
        file_fields: Accepted field names of the file.
        begin: Starts the recognition.
        options: Returns the options in the fields received so far. Called when the file begins, so that an invalid
            field is rejected before the file is read, and after the whole form.
        raw: Whether the file is raw 16 kHz samples without a container.

    Raises:
        Problem: The queue is full, or the upload is invalid.
    """
    check_head(request, limits(request))
    service = request.app[SERVICE]
    announced = announced_seconds(
        request.headers,
        content_length=request.content_length,
        raw=raw,
        max_seconds=service.settings.max_audio_seconds,
    )
    async with service.jobs.job(announced) as job:
        if expects_continue(request):
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # `100 Continue` is not part of the response
        received = Upload(lambda options: begin(job, options), options)
        received.receiving = asyncio.create_task(_receive(request, file_fields, received))
        begun = asyncio.create_task(received.begun.wait())
        try:
            await asyncio.wait([received.receiving, begun], return_when=asyncio.FIRST_COMPLETED)
            if not received.begun.is_set():
                await received.receiving  # raises: a complete form has a file
            yield received
        finally:
            begun.cancel()
            received.receiving.cancel()
            await asyncio.wait([received.receiving])
            if not received.receiving.cancelled():
                received.receiving.exception()  # retrieved: raised by `form`, or the request is being cancelled


async def _receive(request: web.Request, file_fields: Collection[str], upload: Upload[R]) -> Form:
    """Receive the form; a failure stops the recognition, which would wait for the rest of the file."""
    try:
        form = await receive(request, file_fields=file_fields, limits=limits(request), open_sink=upload.open)
        await upload.complete(form)
    except BaseException:
        if upload.begun.is_set():
            await upload.running.stop()
        raise
    return form


def _late(early: Options, late: Options) -> Problem:
    changed = [one.name for one in fields(Options) if getattr(early, one.name) != getattr(late, one.name)]
    name = _FIELDS.get(changed[0], changed[0])
    return Problem("bad_field", f"{name} must precede the file, which is decoded as it arrives.", param=name)
