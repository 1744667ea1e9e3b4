"""The steps shared by the routes with an upload: check the head, acquire a slot, receive the form, decode its audio."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechwhisper.api.middleware import expects_continue
from speechwhisper.errors import Problem
from speechwhisper.intake.announced import announced_seconds
from speechwhisper.intake.multipart import Form, Limits, check_head, receive
from speechwhisper.service import SERVICE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

    from aiohttp import web

    from speechwhisper.audio.decode import Audio
    from speechwhisper.jobs import AudioIntake, Job
    from speechwhisper.recognition.options import Options


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

    Until the request has a slot its body is not read. With `Expect: 100-continue` the client does not even send it.

    Args:
        request: Its body has not been read.
        file_fields: Accepted field names of the file.
        options: Returns the options in the fields received so far. Called when the file begins, so that an invalid
            field is rejected before the file is read.
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
        intakes: list[AudioIntake] = []
        early_tracks = 0

        async def open_sink(form: Form) -> AudioIntake:
            nonlocal early_tracks
            early_tracks = _tracks_in(form)
            intakes.append(job.decode_audio(raw=raw, audio_track=options(form).audio_track))
            return intakes[0]

        form = await receive(request, file_fields=file_fields, limits=limits(request), open_sink=open_sink)
        if _tracks_in(form) > early_tracks:  # the file is decoded while it arrives
            raise Problem(
                "bad_field", "audio_track must precede the file, which is decoded as it arrives.", param="audio_track"
            )
        yield Received(job, form, await intakes[0].audio())


def _tracks_in(form: Form) -> int:
    return len(form.fields.get("audio_track", ()))
