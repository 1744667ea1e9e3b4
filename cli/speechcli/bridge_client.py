"""A client of the bridge's `POST /process`: sends a recording, yields events as they arrive."""

from __future__ import annotations

import json
import mimetypes
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from speechcli.errors import RequestError, UsageError
from speechcli.sse import events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

REQUEST_TIMEOUT_S = 300.0
ADVICE = "name an audio file that exists and can be read"


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


@dataclass(frozen=True)
class Waiting:
    """The request waits for a component that starts; `stage` is `transcribe` or `generate`. Repeated meanwhile."""

    stage: str


Event = Waiting | TranscriptDelta | Transcript | ResponseDelta | Completed


def authorization(api_key: str) -> dict[str, str]:
    """Return the headers that carry an API key; none without a key."""
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


def read_recording(path: Path) -> Recording:
    """Read an audio file; raise UsageError if it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the recording {path}: {error.strerror}", ADVICE) from error
    if not content:
        raise UsageError(f"the recording {path} is empty", ADVICE)
    return Recording(path.name, content, mimetypes.guess_type(path.name)[0] or "application/octet-stream")


async def process(
    session: aiohttp.ClientSession,
    url: str,
    recording: Recording,
    *,
    prompt: str = "",
    model: str = "",
    language: str = "",
) -> AsyncIterator[Event]:
    """Send a recording to the bridge at `url` and yield its events, `Completed` last.

    An empty `prompt`, `model` or `language` leaves the choice to the service. A failure after something was
    transcribed, as at the deadline, is the member `error` of the answer.

    Raises:
        RequestError: the request was rejected, interrupted or failed; `code` is the reason.
    """
    fields = {"prompt": prompt, "model": model, "language": language}
    failure = RequestError("incomplete", "the response ended early")
    async with _open(session, url, recording, fields) as answer:
        async for event in events(answer.content.iter_any()):
            data = json.loads(event.data)
            match event.name:
                case "status":
                    yield Waiting(data["stage"])
                case "transcript.delta":
                    yield TranscriptDelta(data["text"])
                case "transcript.done":
                    yield Transcript(data["text"], data.get("audio_seconds"))
                case "response.delta":
                    yield ResponseDelta(data["text"])
                case "response.done":
                    yield Completed(data)
                    return
                case "error":  # if anything was transcribed, response.done follows
                    failure = RequestError(str(data.get("code")), str(data.get("message")))
    raise failure


@asynccontextmanager
async def _open(
    session: aiohttp.ClientSession, url: str, recording: Recording, fields: Mapping[str, str]
) -> AsyncIterator[aiohttp.ClientResponse]:
    with failures(url):
        async with session.post(f"{url.rstrip('/')}/process", data=_form(recording, fields)) as answer:
            if not answer.ok:
                raise await rejection(answer)
            yield answer


@contextmanager
def failures(url: str) -> Iterator[None]:
    """Raise RequestError for what can go wrong while a response of the bridge at `url` is read."""
    try:
        yield
    except TimeoutError as error:
        raise RequestError("timeout", "the request timed out") from error
    except aiohttp.ClientConnectorError as error:
        raise RequestError("connect", f"cannot connect to {url}: {error.strerror or error.os_error}") from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise RequestError("incomplete", f"the connection broke: {error}") from error
    except (ValueError, KeyError) as error:
        raise RequestError("not_understood", f"the response of {url} is not a bridge's: {error}") from error


def _form(recording: Recording, fields: Mapping[str, str]) -> aiohttp.FormData:
    form = aiohttp.FormData({"stream": "true"})
    for name, value in fields.items():  # before the file: warms up the model
        if value:
            form.add_field(name, value)
    form.add_field("file", recording.content, filename=recording.name, content_type=recording.content_type)
    return form


async def rejection(answer: aiohttp.ClientResponse) -> RequestError:
    """Return a response with an error status as an error: a problem document, or OpenAI's error object."""
    text, after = await answer.text(), answer.headers.get("Retry-After", "")
    retry_after_s = float(after) if after.isdecimal() else None
    try:
        found = json.loads(text)
        problem = found.get("error", found)
        message = problem.get("message") or problem.get("detail") or problem["title"]
        return RequestError(problem["code"], message, retry_after_s=retry_after_s)
    except (ValueError, KeyError, TypeError, AttributeError):  # not from the bridge, but from a proxy
        return RequestError(f"http_{answer.status}", text[:300] or str(answer.reason), retry_after_s=retry_after_s)
