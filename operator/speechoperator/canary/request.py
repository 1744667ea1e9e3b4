"""One canary request to a bridge: what it measured, or why it failed, in words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from secrets import token_hex
from typing import Any

import aiohttp

from speechoperator.errors import describe_os_error, encodable

_TIMEOUT = aiohttp.ClientTimeout(total=180, sock_connect=5)
"""Enough for a model that has to be loaded from a disk."""
_MAX_BYTES = 256 * 1024
_MAX_DETAIL_CHARS = 300
_FIELDS = {"prompt": "Reply with one word.", "max_tokens": "1"}


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of a canary request.

    Attributes:
        error: Why it failed; empty if it did not.
        whisper_s: Seconds of the transcription.
        llm_s: Seconds of the language model.
        total_s: Seconds of the whole request.
        timed_out: Whether it failed only because no answer came in time: a model may still be loading.
    """

    error: str = ""
    whisper_s: float = 0.0
    llm_s: float = 0.0
    total_s: float = 0.0
    timed_out: bool = False


@cache
def sentence() -> bytes:
    """Return the recording."""
    return files("speechoperator.canary").joinpath("sentence.wav").read_bytes()


async def request(url: str) -> Measured:
    """Send the recording to the bridge at a base URL; every failure is a result.

    One token of an answer is asked for, which shows that the language model works.
    """
    form = aiohttp.FormData(_FIELDS)
    form.add_field("file", sentence(), filename="canary.wav", content_type="audio/wav")
    headers = {"User-Agent": "speechpipeline-operator (canary)", "X-Request-ID": f"canary-{token_hex(8)}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as session,
            session.post(f"{url}/process", data=form, allow_redirects=False) as response,
        ):
            answer = _object(await response.content.read(_MAX_BYTES))
            status, phrase = response.status, response.reason
    except aiohttp.ConnectionTimeoutError:
        return Measured(f"the bridge cannot be reached: no connection within {_TIMEOUT.sock_connect:.0f} s")
    except TimeoutError:
        return Measured(f"no answer within {_TIMEOUT.total:.0f} s", timed_out=True)
    except OSError as error:
        return Measured(f"the bridge cannot be reached: {describe_os_error(error)}")
    except aiohttp.ClientError as error:
        return Measured(encodable(f"the bridge does not answer: {error}"))
    if status != HTTPStatus.OK:
        detail = encodable(str(answer.get("detail") or phrase))
        return Measured(f"the bridge answers HTTP {status}: {detail}"[:_MAX_DETAIL_CHARS])
    return judged(answer)


def judged(answer: dict[str, Any]) -> Measured:
    """Return what an answer of `/process` says (`docs/reference/http-api.md`)."""
    if error := answer.get("error"):
        detail = encodable(str(error.get("message") if isinstance(error, dict) else error))
        return Measured(f"the language model does not answer: {detail}"[:_MAX_DETAIL_CHARS])
    if not str(answer.get("transcription") or "").strip():
        return Measured("Whisper recognized no word of a spoken sentence")
    timings = answer.get("timings")
    members = timings if isinstance(timings, dict) else {}
    whisper, total = (_seconds(members.get(name)) for name in ("transcribe_ms", "total_ms"))
    return Measured(whisper_s=whisper, llm_s=max(0.0, total - whisper), total_s=total)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(milliseconds: object) -> float:
    return milliseconds / 1000 if isinstance(milliseconds, int | float) else 0.0
