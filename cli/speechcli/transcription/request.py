"""A client of the bridge's `POST /v1/audio/transcriptions`, which is sent again where that can help."""

from __future__ import annotations

import asyncio
import json
import mimetypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from speechcli.bridge_client import failures, rejection
from speechcli.errors import ClusterError, RequestError
from speechcli.transcription.formats import RENDERERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from speechcli.transcription.formats import Document

ATTEMPTS = 5
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
TRANSIENT = frozenset(
    {
        *("overloaded", "stopping", "transcriber_unavailable", "upload_stalled"),
        *("connect", "incomplete", "http_429", "http_502", "http_503", "http_504"),
    }
)
"""Codes of errors that pass: another attempt may succeed."""


@dataclass(frozen=True)
class Options:
    """What is asked for each recording, for a file with an ending; empty texts leave the choice to the service."""

    ending: str
    language: str = ""
    hotwords: str = ""


@dataclass(frozen=True)
class Transcript:
    """The content of a file, and what the service says about it, such as that words are doubtful."""

    content: bytes
    notes: tuple[str, ...] = ()


async def transcribe(
    session: aiohttp.ClientSession,
    address: Callable[[], Awaitable[str]],
    source: Path,
    options: Options,
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Transcript:
    """Return the transcript of a recording, in the format of the options.

    Args:
        session: a session with the credentials.
        address: the bridge's address now; another one after a port-forward broke.
        source: the recording, sent from disk.
        options: what is asked for.
        wait: waits for seconds.

    Raises:
        RequestError: the service rejected the recording, transcribed only its beginning, or all attempts failed.
        OSError: the recording cannot be read.
        ClusterError: no bridge could be reached in any attempt, or the cluster refuses.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return await _once(session, await address(), source, options)
        except RequestError as error:
            if error.code not in TRANSIENT:
                raise
            after = error.retry_after_s
        except ClusterError as error:
            if not error.transient:
                raise
            after = None
        await wait(min(FIRST_WAIT_S * 2 ** (attempt - 1) if after is None else after, LONGEST_WAIT_S))
    return await _once(session, await address(), source, options)


async def _once(session: aiohttp.ClientSession, url: str, source: Path, options: Options) -> Transcript:
    form = aiohttp.FormData({"response_format": "verbose_json"})
    for name, value in {"language": options.language, "hotwords": options.hotwords}.items():
        if value:
            form.add_field(name, value)
    content_type = mimetypes.guess_type(source.name)[0] or "application/octet-stream"
    with await asyncio.to_thread(source.open, "rb") as file, failures(url):
        form.add_field("file", file, filename=source.name, content_type=content_type)
        async with session.post(f"{url}/v1/audio/transcriptions", data=form) as answer:
            if not answer.ok:
                raise await rejection(answer)
            return transcript(await answer.read(), options.ending)


def transcript(body: bytes, ending: str) -> Transcript:
    """Return what to write to a file with an ending.

    Args:
        body: a `verbose_json` of the bridge.
        ending: one of `formats.ENDINGS`.

    Raises:
        RequestError: the deadline ended the transcription, the body has only the beginning.
        ValueError, KeyError: the body is not a transcript.
    """
    document: Document = json.loads(body)
    if not isinstance(document, dict) or "text" not in document:
        raise ValueError("it has no text")
    notes = tuple(str(warning["message"]) for warning in document.get("warnings", ()))
    if document.get("truncated"):
        raise RequestError("deadline_exceeded", " ".join(notes) or "The transcript is incomplete.")
    content = body if ending == "json" else RENDERERS[ending](document).encode(errors="replace")
    return Transcript(content, notes)
