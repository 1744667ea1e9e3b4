"""Parsing of what pods respond, whatever their protocol."""

from __future__ import annotations

import json
from typing import Any

from speechbridge.upstreams.failures import FailureKind, UpstreamError

_MAX_DETAIL_CHARS = 300


def json_object(text: bytes | str) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        UpstreamError: `bad_answer`.
    """
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise UpstreamError(FailureKind.BAD_ANSWER, "the response is not a JSON object")
    return answer


def json_objects(lines: list[bytes]) -> list[dict[str, Any]]:
    """Parse lines of one JSON object each, all at once; blank lines are skipped.

    Raises:
        UpstreamError: `bad_answer`.
    """
    try:
        items = json.loads(b"[%b]" % b",".join(filter(None, lines)))
    except (ValueError, RecursionError):
        items = [None]
    if {type(item) for item in items} - {dict}:
        raise UpstreamError(FailureKind.BAD_ANSWER, "a line of the response is not a JSON object")
    return items  # type: ignore[no-any-return]  # checked above


def error_text(body: bytes) -> tuple[str, str | None]:
    """Return message and code of an error: OpenAI's object, Ollama's string, FastAPI's or RFC 9457's detail."""
    error = _error_in(body)
    if isinstance(error, str):
        return error[:_MAX_DETAIL_CHARS], None
    if not isinstance(error, dict):
        return "", None
    message = error.get("message") or error.get("detail") or ""
    code = error.get("code") if isinstance(error.get("code"), str) else error.get("type")
    text = message if isinstance(message, str) else json.dumps(message)
    return text[:_MAX_DETAIL_CHARS], code if isinstance(code, str) else None


def error_param(body: bytes) -> str | None:
    """Return the field at fault, if OpenAI's error object or an RFC 9457 document names one."""
    error = _error_in(body)
    param = error.get("param") if isinstance(error, dict) else None
    return param if isinstance(param, str) else None


def _error_in(body: bytes) -> Any:
    """Return the member `error` of an object, or the object itself; None if it is not a JSON object."""
    try:
        answer: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer.get("error", answer) if isinstance(answer, dict) else None
