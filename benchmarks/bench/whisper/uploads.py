"""One streamed transcription, read while its upload is still going on."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.client import BOUNDARY, OK, ReplyError
from bench.whisper.clips import RATE
from bench.whisper.http_load import fields, session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.recordings import Recording
    from bench.whisper.subject import Weights

DELTA = b'"transcript.text.delta"'
BYTES_PER_SECOND = 2 * RATE
HEARD = 30.0  # seconds of audio: Whisper's window, after which the first segment can be made
CHUNK = 64 * 1024
PACED_CHUNK = BYTES_PER_SECOND // 4


@dataclass
class Upload:
    """The moments of an upload (CLOCK_MONOTONIC): `HEARD` seconds of audio sent, the first segment, the last byte."""

    heard: asyncio.Future[float] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    first_segment: asyncio.Future[float] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    uploaded: float | None = None


@asynccontextmanager
async def streamed(url: str, file: Recording, weights: Weights, pace: float | None = None) -> AsyncIterator[Upload]:
    """Upload a file in the background and read its segments; on exit the connection is closed.

    Args:
        url: Of the server.
        file: What to upload.
        weights: The served model.
        pace: Seconds of audio per second; None for as fast as the server takes it.
    """
    upload = Upload()
    running = asyncio.ensure_future(_run(url, file, weights, pace, upload))
    running.add_done_callback(lambda done: _fail(done, upload))
    try:
        yield upload
    finally:
        running.cancel()
        await asyncio.wait([running])


async def _run(url: str, file: Recording, weights: Weights, pace: float | None, upload: Upload) -> None:
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    body = _body(file, weights, pace, upload)
    async with session() as client, client.post(f"{url}/v1/audio/transcriptions", data=body, headers=headers) as reply:
        if reply.status != OK:
            raise ReplyError(f"status {reply.status} from {url}: {(await reply.text())[:500]}")
        async for line in reply.content:
            if DELTA in line and not upload.first_segment.done():
                upload.first_segment.set_result(time.monotonic())


def _fail(done: asyncio.Future[None], upload: Upload) -> None:
    error = None if done.cancelled() else done.exception()
    for moment in (upload.heard, upload.first_segment):
        if moment.done():
            continue
        if done.cancelled():
            moment.cancel()
        else:
            moment.set_exception(error or ReplyError("the stream ended too early"))


async def _body(file: Recording, weights: Weights, pace: float | None, upload: Upload) -> AsyncIterator[bytes]:
    disposition = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    for name, value in fields(weights, stream="true").items():
        yield f'{disposition}"{name}"\r\n\r\n{value}\r\n'.encode()
    yield f'{disposition}"file"; filename="{file.path.name}"\r\nContent-Type: audio/wav\r\n\r\n'.encode()
    size = CHUNK if pace is None else PACED_CHUNK
    started, count = time.monotonic(), 0
    with file.path.open("rb") as audio:
        while chunk := audio.read(size):
            yield chunk
            count += len(chunk)
            if count >= HEARD * BYTES_PER_SECOND and not upload.heard.done():
                upload.heard.set_result(time.monotonic())
            if pace is not None:
                await asyncio.sleep(max(0.0, started + count / (BYTES_PER_SECOND * pace) - time.monotonic()))
    yield f"\r\n--{BOUNDARY}--\r\n".encode()
    upload.uploaded = time.monotonic()
