"""A transcription as server-sent events: each segment goes out as it is decoded."""

import json
import logging
from typing import Any

from aiohttp import web

from speechwhisper.api import openai_formats
from speechwhisper.api.entry import Received
from speechwhisper.api.keys import OUTCOME
from speechwhisper.api.middleware import identify
from speechwhisper.errors import InternalError
from speechwhisper.recognition.options import Options
from speechwhisper.recognition.transcript import Segment, Transcript

logger = logging.getLogger(__name__)

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx and its ingress would collect the events otherwise
}


async def stream(request: web.Request, received: Received, options: Options) -> web.StreamResponse:
    """Decode and send; what fails after the first byte becomes an ``error`` event."""
    response = web.StreamResponse(headers=_HEADERS)
    await response.prepare(request)
    recognition = received.job.recognise(received.audio, options)
    segments: list[Segment] = []
    try:
        async for segment in recognition.segments():
            segments.append(segment)
            await _send(response, openai_formats.delta(segment))
        transcript = Transcript(tuple(segments), await recognition.heard())
    except ConnectionError:  # the client left
        raise
    except Exception:
        logger.exception("a bug: decoding failed", extra={"request_id": identify(request)})
        response[OUTCOME] = InternalError.code
        await _send(response, openai_formats.failed(InternalError("the server failed; its log says why")))
    else:
        await _send(response, openai_formats.done(transcript, options))
    await response.write_eof()
    return response


async def _send(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode())
