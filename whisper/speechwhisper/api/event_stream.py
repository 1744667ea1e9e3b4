"""A transcription as server-sent events; each segment is sent once decoded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from speechwhisper.api import openai_formats
from speechwhisper.api.middleware import INTERNAL_DETAIL, OUTCOME
from speechwhisper.errors import Problem
from speechwhisper.recognition.transcript import Segment, Transcript
from speechwhisper.telemetry import logs

if TYPE_CHECKING:
    from speechwhisper.api.entry import Received
    from speechwhisper.recognition.options import Options

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # keeps nginx and its ingress controller from buffering events
}


async def stream(request: web.Request, received: Received, options: Options) -> web.StreamResponse:
    """Decode and send segments; a failure after the first byte becomes an `error` event."""
    response = web.StreamResponse(headers=_HEADERS)
    await response.prepare(request)
    recognition = received.job.recognise(received.audio, options)
    segments: list[Segment] = []
    try:
        async for segment in recognition.segments():
            segments.append(segment)
            await _send(response, openai_formats.delta(segment))
        transcript = Transcript.of(segments, await recognition.info())
    except ConnectionError:  # the client disconnected
        raise
    except Exception:  # noqa: BLE001 - a bug: logged with its stack trace, and an event for the client
        logs.exception("decoding failed")
        problem = Problem("internal", INTERNAL_DETAIL)
        response[OUTCOME] = problem.code
        await _send(response, openai_formats.failed(problem))
    else:
        await _send(response, openai_formats.done(transcript, options))
    await response.write_eof()
    return response


async def _send(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode())
