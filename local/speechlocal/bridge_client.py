"""A client of the bridge's `POST /process`: sends a recording, yields events as they arrive."""

from __future__ import annotations

import json
import mimetypes
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from speechlocal import paths
from speechlocal.errors import RequestError, UsageError
from speechlocal.sse import events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

DEMO_RECORDING = paths.RECORDINGS / "austen-leisure-to-consider.wav"
DEMO_PROMPT = "In one sentence, what does the speaker say?"
REQUEST_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Recording:
    """An audio file in memory, so that a timed request does not read from disk."""

    name: str
    content: bytes
    content_type: str


@dataclass(frozen=True)
class TranscriptDelta:
    """A piece of the transcript, with its spaces."""

    text: str


@dataclass(frozen=True)
class Transcript:
    """The whole transcript; `audio_seconds` is the length of the recording."""

    text: str
    audio_seconds: float | None


@dataclass(frozen=True)
class ResponseDelta:
    """A piece of the response, with its spaces."""

    text: str


@dataclass(frozen=True)
class Completed:
    """The end: the JSON object that `/process` returns without streaming."""

    answer: dict[str, Any]


Event = TranscriptDelta | Transcript | ResponseDelta | Completed


def read_recording(path: Path) -> Recording:
    """Read an audio file; raise UsageError if it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read the recording {path}: {error.strerror}", "name an audio file with --audio (AUDIO= with make)"
        ) from error
    if not content:
        raise UsageError(f"the recording {path} is empty", "name an audio file with --audio (AUDIO= with make)")
    return Recording(path.name, content, mimetypes.guess_type(path.name)[0] or "application/octet-stream")


async def process(
    session: aiohttp.ClientSession, url: str, recording: Recording, *, prompt: str = "", model: str = ""
) -> AsyncIterator[Event]:
    """Send a recording to the bridge at `url` and yield its events, `Completed` last.

    An empty `prompt` or `model` leaves the choice to the service.

    Raises:
        RequestError: the request was rejected, interrupted or failed; `code` is the reason.
    """
    async with _open(session, url, recording, prompt, model) as answer:
        async for event in events(answer.content.iter_any()):
            data = json.loads(event.data)
            match event.name:
                case "transcript.delta":
                    yield TranscriptDelta(data["text"])
                case "transcript.done":
                    yield Transcript(data["text"], data.get("audio_seconds"))
                case "response.delta":
                    yield ResponseDelta(data["text"])
                case "response.done":
                    yield Completed(data)
                    return
                case "error" if data.get("stage") != "generate":  # response.done still follows an error of that stage
                    raise RequestError(str(data.get("code")), str(data.get("message")))
    raise RequestError("incomplete", "the response ended early")


@asynccontextmanager
async def _open(
    session: aiohttp.ClientSession, url: str, recording: Recording, prompt: str, model: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    try:
        async with session.post(f"{url.rstrip('/')}/process", data=_form(recording, prompt, model)) as answer:
            if not answer.ok:
                raise await _error(answer)
            yield answer
    except TimeoutError as error:
        raise RequestError("timeout", "the request timed out") from error
    except aiohttp.ClientConnectorError as error:
        raise RequestError("connect", f"cannot connect to {url}: {error.strerror}") from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise RequestError("incomplete", f"the connection broke: {error}") from error
    except (ValueError, KeyError) as error:
        raise RequestError("not_understood", f"the response of {url} is not a bridge's: {error}") from error


def _form(recording: Recording, prompt: str, model: str) -> aiohttp.FormData:
    form = aiohttp.FormData({"stream": "true"})
    for name, value in {
        "prompt": prompt,
        "model": model,
    }.items():  # before the file: warms up the model
        if value:
            form.add_field(name, value)
    form.add_field("file", recording.content, filename=recording.name, content_type=recording.content_type)
    return form


async def _error(answer: aiohttp.ClientResponse) -> RequestError:
    text = await answer.text()
    try:
        problem = json.loads(text)
        return RequestError(problem["code"], problem.get("detail") or problem["title"])
    except (ValueError, KeyError, TypeError):  # not from the bridge, but from a proxy
        return RequestError(f"http_{answer.status}", text[:300] or str(answer.reason))
