"""A client of the bridge's `POST /v1/audio/transcriptions`, which is sent again where that can help."""

from __future__ import annotations

import asyncio
import mimetypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from speechcli.bridge_client import failures, rejection
from speechcli.errors import ClusterError, RequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

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
    """What is asked for each recording; empty texts leave the choice to the service."""

    response_format: str
    language: str = ""
    hotwords: str = ""


async def transcribe(
    session: aiohttp.ClientSession,
    address: Callable[[], Awaitable[str]],
    source: Path,
    options: Options,
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> bytes:
    """Return the transcript of a recording, in the format of the options.

    Args:
        session: a session with the credentials.
        address: the bridge's address now; another one after a port-forward broke.
        source: the recording, sent from disk.
        options: what is asked for.
        wait: waits for seconds.

    Raises:
        RequestError: the service rejected the recording, or all attempts failed.
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


async def _once(session: aiohttp.ClientSession, url: str, source: Path, options: Options) -> bytes:
    form = aiohttp.FormData({"response_format": options.response_format})
    for name, value in {"language": options.language, "hotwords": options.hotwords}.items():
        if value:
            form.add_field(name, value)
    content_type = mimetypes.guess_type(source.name)[0] or "application/octet-stream"
    with await asyncio.to_thread(source.open, "rb") as file, failures(url):
        form.add_field("file", file, filename=source.name, content_type=content_type)
        async with session.post(f"{url}/v1/audio/transcriptions", data=form) as answer:
            if not answer.ok:
                raise await rejection(answer)
            return await answer.read()
