"""The steps shared by the routes with an upload: check the head, acquire a slot, receive the form, decode its audio."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechwhisper.api.middleware import expects_continue
from speechwhisper.errors import Problem
from speechwhisper.intake.multipart import Form, Limits, check_head, receive
from speechwhisper.service import SERVICE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

    from aiohttp import web

    from speechwhisper.audio.decode import Audio
    from speechwhisper.jobs import AudioIntake, Job
    from speechwhisper.recognition.options import Options

_MAX_SLOT_WAIT_S = 1.0
"""How long a request with `Expect: 100-continue` waits for a slot; it only occupies a socket, since no audio was sent.

Without this queue, a client that retries would rarely find a slot free between two jobs of a client with a queue of its
own. One second is several times the retry interval of `speechbridge`, whose requests are therefore nearly always
queued; and it is short enough for the request to move to another pod that becomes idle.
"""


_DECODING_FIELDS = ("audio_track", "channels")
"""Fields that must precede the file."""


@dataclass(frozen=True, slots=True)
class Received:
    """A received upload: its job, which holds the slot, its form and its audio."""

    job: Job
    form: Form
    audio: Audio


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
    options: Callable[[Form], Options],
    raw: bool = False,
) -> AsyncIterator[Received]:
    """Acquire a slot for the duration of the block, receive the upload and decode its audio.

    Args:
        request: Its body has not been read.
        file_fields: Accepted field names of the file.
        options: Returns the options in the fields received so far. Called when the file begins, so that an invalid
            field is rejected before the file is read.
        raw: Whether the file is raw 16 kHz samples without a container.

    Raises:
        Problem: No slot is free, or the upload is invalid.
    """
    check_head(request, limits(request))
    asks_first = expects_continue(request)
    async with request.app[SERVICE].jobs.job(max_wait=_MAX_SLOT_WAIT_S if asks_first else 0.0) as job:
        if asks_first:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # `100 Continue` is not part of the response
        intakes: list[AudioIntake] = []
        early: dict[str, int] = {}

        async def open_sink(form: Form) -> AudioIntake:
            early.update({name: _count(form, name) for name in _DECODING_FIELDS})
            intakes.append(job.decode_audio(options(form), raw=raw))
            return intakes[0]

        form = await receive(request, file_fields=file_fields, limits=limits(request), open_sink=open_sink)
        for name, count in early.items():
            if _count(form, name) > count:
                raise Problem("bad_field", f"{name} must precede the file, which is decoded as it arrives.", param=name)
        yield Received(job, form, await intakes[0].audio())


def _count(form: Form, name: str) -> int:
    return len(form.fields.get(name, ()))
