"""What the routes with an upload share: refuse early, take a slot, receive the form, decode its audio."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from speechwhisper.api.keys import JOBS, SETTINGS
from speechwhisper.api.middleware import expects_continue
from speechwhisper.audio.decode import Audio
from speechwhisper.intake.multipart import Form, Limits, check_head, receive
from speechwhisper.jobs import AudioIntake, Job

_PATIENCE = 1.0
"""Seconds that a request with `Expect: 100-continue` waits for a slot: waiting costs a socket, since no audio was sent.

Without a queue here, a client that asks again and again never meets the moment in which a slot is free between two jobs
of a client with a queue of its own. One second is several times the pause of `speechbridge` between two tries, so it
is nearly always in line; and short enough to send the request to another pod that became idle.
"""


@dataclass(frozen=True, slots=True)
class Received:
    """An upload that arrived: the job whose slot it holds, its form and its audio."""

    job: Job
    form: Form
    audio: Audio


def limits(request: web.Request) -> Limits:
    """Return the limits that the settings put on an upload."""
    settings = request.app[SETTINGS]
    return Limits(settings.max_upload_bytes, settings.upload_stall_timeout)


async def before_continue(request: web.Request) -> None:
    """Leave `Expect: 100-continue` to `upload`, which answers it once the request has a slot (aiohttp's hook)."""
    del request


@asynccontextmanager
async def upload(
    request: web.Request,
    file_fields: Collection[str],
    *,
    raw: bool = False,
    check: Callable[[Form], object] | None = None,
) -> AsyncIterator[Received]:
    """Hold a slot, with the upload received and decoded, for the length of the block.

    Args:
        request: the body has not been read.
        file_fields: names under which the file is accepted.
        raw: the file is bare 16 kHz samples.
        check: called with the fields that precede the file, so that a bad one is refused before the file is read.

    Raises:
        RefusalError: no slot, or anything wrong with the upload.
    """
    check_head(request, limits(request))
    asks_first = expects_continue(request)
    async with request.app[JOBS].job(patience=_PATIENCE if asks_first else 0.0) as job:
        if asks_first:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # the answer's head is still to come
        intakes: list[AudioIntake] = []

        async def open_sink(form: Form) -> AudioIntake:
            if check is not None:
                check(form)
            intakes.append(job.decode_audio(raw=raw))
            return intakes[0]

        form = await receive(request, file_fields=file_fields, limits=limits(request), open_sink=open_sink)
        yield Received(job, form, await intakes[0].audio())
