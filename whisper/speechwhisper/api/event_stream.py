"""A transcription as server-sent events; each segment is sent once decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from speechwhisper.api import json_text, openai_formats
from speechwhisper.api.middleware import INTERNAL_DETAIL, OUTCOME
from speechwhisper.api.outbox import outbox
from speechwhisper.api.rendering import render
from speechwhisper.errors import Problem
from speechwhisper.recognition.transcript import Segment, Transcript
from speechwhisper.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from speechwhisper.api.entry import Upload
    from speechwhisper.intake.multipart import Form
    from speechwhisper.jobs import Transcription
    from speechwhisper.recognition.options import Options

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # keeps nginx and its ingress controller from buffering events
}


async def stream(
    request: web.Request,
    received: Upload[Transcription],
    release: Callable[[], Awaitable[None]],
    options: Callable[[Form], Options],
) -> web.StreamResponse:
    """Send the segments as they are decoded, even before the upload ends; a failure becomes an `error` event.

    Decoding never waits for the client. `release` gives back the slot, once everything is decoded.
    """
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    transcription = received.running
    segments: list[Segment] = []
    async with outbox(request, response) as put:
        try:
            async for segment in transcription.segments():
                segments.append(segment)
                put(_event(openai_formats.delta(segment)))
            form = await received.form()
            transcript = Transcript.of(segments, await transcription.result())
        except Problem as problem:
            response[OUTCOME] = problem.code
            put(_event(openai_formats.failed(problem)))
        except Exception:  # noqa: BLE001 - a bug: logged with its stack trace, and an event for the client
            logs.exception("decoding failed")
            bug = Problem("internal", INTERNAL_DETAIL)
            response[OUTCOME] = bug.code
            put(_event(openai_formats.failed(bug)))
        else:
            asked = options(form)
            put(await render(transcript, lambda whole: _event(openai_formats.done(whole, asked))))
        await release()
    await response.write_eof()
    return response


def _event(event: dict[str, Any]) -> bytes:
    # A field name of the client that is not UTF-8 has surrogates; JSON escapes them as Python does.
    return f"data: {json_text.encode(event)}\n\n".encode(errors="backslashreplace")
