"""Read what a pod says when it does not say 200."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from speechbridge.upstreams.failures import FailureKind, UpstreamError

_LONGEST_DETAIL = 300
_OVERFLOW_CODES = frozenset({"exceed_context_size_error", "context_length_exceeded"})
_OVERFLOW_WORDS = (
    "context length",
    "context size",
    "context window",
    "exceeds the available context",
    "input length exceeds",
)
AUDIO_CODES = frozenset({"not_audio", "no_audio_stream", "empty_file", "audio_too_long", "upload_too_large"})


def json_object(text: bytes | str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UpstreamError: `bad_answer`: it is none.
    """
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise UpstreamError(FailureKind.BAD_ANSWER, "the answer is not a JSON object")
    return answer


def names_in(listed: Any, member: str) -> tuple[str, ...]:
    """Read a list of objects of which each has a name; what is none is passed over."""
    items = listed if isinstance(listed, list) else []
    return tuple(item[member] for item in items if isinstance(item, dict) and isinstance(item.get(member), str))


def count_in(answer: Any, member: str) -> int | None:
    """Read a number of tokens; None where the server does not tell one."""
    count = answer.get(member) if isinstance(answer, dict) else None
    return count if isinstance(count, int) and count >= 0 else None


def json_objects(lines: list[bytes]) -> list[dict[str, Any]]:
    """Read lines that are a JSON object each, all at once; blank ones are passed over.

    Raises:
        UpstreamError: `bad_answer`: one is none.
    """
    try:
        items = json.loads(b"[%b]" % b",".join(filter(None, lines)))
    except (ValueError, RecursionError):
        items = [None]
    if not all(isinstance(item, dict) for item in items):
        raise UpstreamError(FailureKind.BAD_ANSWER, "a line of the answer is not a JSON object")
    return items  # type: ignore[no-any-return]  # looked at above


def check_transcriber_status(status: int, body: bytes) -> None:
    """Pass a 200, raise the UpstreamError that any other answer of Whisper means."""
    if status == HTTPStatus.OK:
        return
    detail, code = error_text(body)
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        raise UpstreamError(FailureKind.BUSY, "Whisper is busy")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise UpstreamError(FailureKind.DIED, f"Whisper answered {status}")
    kind = (
        FailureKind.BAD_AUDIO
        if code in AUDIO_CODES or status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        else FailureKind.BAD_REQUEST
    )
    raise UpstreamError(kind, detail or f"Whisper answered {status}", code=code)


def check_generator_status(status: int, body: bytes) -> None:
    """Pass a 200, raise the UpstreamError that any other answer of a language model's server means."""
    if status == HTTPStatus.OK:
        return
    detail, code = error_text(body)
    raise generator_error(status, detail, code)


def generator_error(status: int, detail: str, code: str | None) -> UpstreamError:
    """Classify an error of a language model's server, whether it is an answer or a line within one."""
    if code in _OVERFLOW_CODES or any(words in detail.lower() for words in _OVERFLOW_WORDS):
        return UpstreamError(FailureKind.OVERFLOW, detail, code=code)
    if status == HTTPStatus.NOT_FOUND:
        return UpstreamError(FailureKind.MODEL_MISSING, detail or "the model is not there", code=code)
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        return UpstreamError(FailureKind.BUSY, detail or "the language model is busy")
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return UpstreamError(FailureKind.BAD_REQUEST, detail or f"it answered {status}", code=code)
    return UpstreamError(FailureKind.DIED, detail or f"it answered {status}", code=code)


def error_text(body: bytes) -> tuple[str, str | None]:
    """Return message and code of an error body: OpenAI's object, Ollama's string, FastAPI's or RFC 9457's detail."""
    try:
        answer: Any = json.loads(body)
    except (ValueError, RecursionError):
        return "", None
    if not isinstance(answer, dict):
        return "", None
    error = answer.get("error", answer)
    if isinstance(error, str):
        return error[:_LONGEST_DETAIL], None
    if not isinstance(error, dict):
        return "", None
    message = error.get("message") or error.get("detail") or ""
    code = error.get("code") if isinstance(error.get("code"), str) else error.get("type")
    text = message if isinstance(message, str) else json.dumps(message)
    return text[:_LONGEST_DETAIL], code if isinstance(code, str) else None
