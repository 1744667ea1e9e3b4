"""The steps shared by the routes with an upload: check the head, acquire a slot, decode the file while it arrives."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import fields
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from speechwhisper.api.middleware import TRACE, expects_continue
from speechwhisper.errors import Problem
from speechwhisper.intake.announced import announced_seconds
from speechwhisper.intake.kept import Kept
from speechwhisper.intake.multipart import Form, Limits, check_head, receive
from speechwhisper.jobs import Job, Run
from speechwhisper.recognition.options import Options
from speechwhisper.service import SERVICE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

    from aiohttp import web

R = TypeVar("R", bound=Run[object])

_FIELDS = {
    "separate_channels": "channels",
    "temperatures": "temperature",
    "word_timestamps": "timestamp_granularities[]",
}
"""Names of form fields that differ from those of the options."""


class Upload(Generic[R]):
    """An upload whose file is recognized while it arrives.

    The recognition begins with the fields before the file, or after the form if there are none. If a field after the
    file changes the options, it begins again with the bytes kept until then; unless the results are used before the
    upload ends, as by a stream: then the options are fixed once the file begins.

    Args:
        begin: Starts the recognition.
        options: Returns the options in the fields received so far.
        count: Called with the number of bytes of each chunk of the file.
        fixed: Returns whether the fields before the file fix the options.

    Attributes:
        early: The fields before the file.
        running: The recognition; the final one once the form is complete, or the options are fixed.
    """

    early: Form
    running: R

    def __init__(
        self,
        begin: Callable[[Options], R],
        options: Callable[[Form], Options],
        count: Callable[[int], None],
        fixed: Callable[[Form], bool],
    ) -> None:
        self._begin = begin
        self._options_in = options
        self._count = count
        self._options = Options()
        self._fixed = fixed
        self._kept: Kept | None = None
        self._sink: R | None = None
        self._complete: asyncio.Future[Form] = asyncio.get_running_loop().create_future()
        self.file_begun = asyncio.Event()
        self.receiving: asyncio.Task[None]

    async def form(self) -> Form:
        """Wait for the whole form; `running` is final then.

        Raises:
            Problem: The upload is invalid.
        """
        both: list[asyncio.Future[Any]] = [self.receiving, self._complete]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not self._complete.done():
            await self.receiving  # raises
        return await self._complete

    async def open(self, form: Form) -> Upload[R]:
        """Take the fields before the file; return the sink of the file."""
        self.early = Form({name: list(values) for name, values in form.fields.items()}, form.filename)
        self._options = self._options_in(form)
        fixed = self._fixed(form)
        if not fixed:
            self._kept = Kept()
        if fixed or form.fields:
            self.running = self._sink = self._begin(self._options)
        self.file_begun.set()
        return self

    async def write(self, chunk: bytes) -> None:
        """Take bytes of the file."""
        self._count(len(chunk))
        if self._kept is not None:
            await self._kept.write(chunk)
        if self._sink is not None:
            await self._sink.write(chunk)

    async def finish(self, form: Form) -> None:
        """Take the whole form, and begin or begin again if necessary.

        Raises:
            Problem: `bad_field`: a field changes the options too late.
        """
        options = self._options_in(form)
        again = self._sink is None or options != self._options
        if again and self._kept is None:
            raise _late(self._options, options)
        if again:
            if self._sink is not None:
                await self._sink.stop()
            self.running = self._sink = self._begin(options)
        self._complete.set_result(form)
        if again and self._kept is not None:
            async for chunk in self._kept.chunks():
                await self.running.write(chunk)
        self._forget()
        self.running.end()

    async def stop(self) -> None:
        """Stop the recognition, which would wait for the rest of the file."""
        self._forget()
        if self._sink is not None:
            await self._sink.stop()

    def _forget(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None


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
    channels: int = 1,
    fixed: Callable[[Form], bool],
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
        channels: Number of channels that are decoded separately, as far as it is known before the form.
        fixed: Returns whether the fields before the file fix the options.

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
    async with service.jobs.job(announced, channels, request.get(TRACE)) as job:
        if expects_continue(request):
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # `100 Continue` is not part of the response
        received = Upload(partial(begin, job), options, service.metrics.upload_bytes.inc, fixed)
        received.receiving = asyncio.create_task(_receive(request, file_fields, received))
        begun = asyncio.create_task(received.file_begun.wait())
        try:
            await asyncio.wait([received.receiving, begun], return_when=asyncio.FIRST_COMPLETED)
            if not received.file_begun.is_set():
                await received.receiving  # raises: a complete form has a file
            yield received
        finally:
            begun.cancel()
            received.receiving.cancel()
            await asyncio.wait([received.receiving])
            if not received.receiving.cancelled():
                received.receiving.exception()  # retrieved: raised by `form`, or the request is being cancelled


async def _receive(request: web.Request, file_fields: Collection[str], upload: Upload[R]) -> None:
    since = monotonic()
    try:
        form = await receive(request, file_fields=file_fields, limits=limits(request), open_sink=upload.open)
        if (trace := request.get(TRACE)) is not None:
            trace.received(since)
        await upload.finish(form)
    except BaseException:
        await upload.stop()
        raise


def _late(early: Options, late: Options) -> Problem:
    changed = [one.name for one in fields(Options) if getattr(early, one.name) != getattr(late, one.name)]
    name = _FIELDS.get(changed[0], changed[0])
    return Problem("bad_field", f"{name} must precede the file, which is decoded as it arrives.", param=name)
