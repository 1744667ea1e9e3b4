"""Clients of the server: a closed loop of uploads, over kept connections."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from bench.client import OK, ReplyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.recordings import Recording
    from bench.whisper.subject import Weights

REFUSED = 503
RETRY_AFTER = 0.1  # seconds until a refused client asks again; its latency counts from the first try
GIVE_UP = 3600.0  # seconds; an hour-long file may take long
MODEL = "whisper-1"  # the name that server and bridge both know


@dataclass(frozen=True)
class Transcribed:
    """The text of a file, the seconds from the first try to the answer, and how many tries were refused."""

    text: str
    seconds: float
    refused: int = 0


def session() -> aiohttp.ClientSession:
    """A client with one connection per request in flight."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None, sock_connect=10)
    )


def fields(weights: Weights, **more: str) -> dict[str, str]:
    """The text fields of an upload."""
    language = {"language": weights.language} if weights.language else {}
    return {"model": MODEL, **language, **more}


async def transcribe(
    client: aiohttp.ClientSession, url: str, file: Recording, weights: Weights, give_up: float = GIVE_UP
) -> Transcribed:
    """Upload a file until it is accepted, and read its transcript.

    Raises:
        ReplyError: The answer is an error other than "busy".
        TimeoutError: There was no answer within `give_up` seconds.
    """
    started = time.monotonic()
    refused = 0
    audio = await asyncio.to_thread(file.path.read_bytes)
    async with asyncio.timeout(give_up):
        while True:
            form = aiohttp.FormData(fields(weights))
            form.add_field("file", audio, filename=file.path.name, content_type="audio/wav")
            try:
                async with client.post(f"{url}/v1/audio/transcriptions", data=form) as reply:
                    if reply.status == OK:
                        body = await reply.json()
                        return Transcribed(str(body["text"]), time.monotonic() - started, refused)
                    if reply.status != REFUSED:
                        raise ReplyError(f"status {reply.status} from {url}: {(await reply.text())[:500]}")
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                pass  # refused, and closed before the upload was read
            refused += 1
            await asyncio.sleep(RETRY_AFTER)


async def closed_loop(
    url: str, files: Sequence[Recording], weights: Weights, clients: int
) -> tuple[list[Transcribed], float]:
    """Let `clients` send all files, each one at a time: answers in the order of the files, and the seconds taken."""
    answers: dict[int, Transcribed] = {}
    todo = iter(range(len(files)))
    async with session() as client:

        async def send(numbers: Iterable[int]) -> None:
            for number in numbers:
                answers[number] = await transcribe(client, url, files[number], weights)

        started = time.monotonic()
        await asyncio.gather(*(send(todo) for _ in range(clients)))
        seconds = time.monotonic() - started
    return [answers[number] for number in range(len(files))], seconds
