"""A client of the bridge's `POST /process`: one recording in, events out while the service works."""

from __future__ import annotations

import json
import mimetypes
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from speechlocal.errors import RequestError, UsageError
from speechlocal.sse import events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@dataclass(frozen=True)
class Recording:
    """An audio file in memory, so that a measured request reads no disk."""

    name: str
    content: bytes
    content_type: str


@dataclass(frozen=True)
class Heard:
    """A piece of the transcript, as soon as it is known; it brings its own spaces."""

    text: str


@dataclass(frozen=True)
class Transcribed:
    """The whole transcript; `audio_seconds` is the recording's length."""

    text: str
    audio_seconds: float | None


@dataclass(frozen=True)
class Said:
    """A piece of the answer; it brings its own spaces."""

    text: str


@dataclass(frozen=True)
class Answered:
    """The end: the JSON object that `/process` answers without streaming."""

    answer: dict[str, Any]


Step = Heard | Transcribed | Said | Answered


def read_recording(path: Path) -> Recording:
    """Read an audio file; raise UsageError where there is none."""
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
) -> AsyncIterator[Step]:
    """Send a recording to the bridge at `url` and yield what comes back, `Answered` last.

    An empty `prompt` or `model` leaves the choice to the service.

    Raises:
        RequestError: refused, broken off, or failed; `code` says which.
    """
    async with _opened(session, url, recording, prompt, model) as answer:
        async for event in events(answer.content.iter_any()):
            data = json.loads(event.data)
            match event.name:
                case "transcript.delta":
                    yield Heard(data["text"])
                case "transcript.done":
                    yield Transcribed(data["text"], data.get("audio_seconds"))
                case "response.delta":
                    yield Said(data["text"])
                case "response.done":
                    yield Answered(data)
                    return
                case "error" if data.get("stage") != "generate":  # after that one the transcript still comes
                    raise RequestError(str(data.get("code")), str(data.get("message")))
    raise RequestError("incomplete", "the service ended its answer before it was complete")


@asynccontextmanager
async def _opened(
    session: aiohttp.ClientSession, url: str, recording: Recording, prompt: str, model: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    try:
        async with session.post(f"{url.rstrip('/')}/process", data=_form(recording, prompt, model)) as answer:
            if not answer.ok:
                raise await _refusal(answer)
            yield answer
    except TimeoutError as error:
        raise RequestError("timeout", "no whole answer in time") from error
    except aiohttp.ClientConnectorError as error:
        raise RequestError("connect", f"cannot connect to {url}: {error.strerror}") from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise RequestError("incomplete", f"the connection broke: {error}") from error
    except (ValueError, KeyError) as error:
        raise RequestError("not_understood", f"{url} does not answer as a bridge does: {error}") from error


def _form(recording: Recording, prompt: str, model: str) -> aiohttp.FormData:
    form = aiohttp.FormData({"stream": "true"})
    for name, value in {"prompt": prompt, "model": model}.items():  # before the file: the model warms up meanwhile
        if value:
            form.add_field(name, value)
    form.add_field("file", recording.content, filename=recording.name, content_type=recording.content_type)
    return form


async def _refusal(answer: aiohttp.ClientResponse) -> RequestError:
    text = await answer.text()
    try:
        problem = json.loads(text)
        return RequestError(problem["code"], problem.get("detail") or problem["title"])
    except (ValueError, KeyError, TypeError):  # from a proxy in between, say
        return RequestError(f"http_{answer.status}", text[:300] or str(answer.reason))
