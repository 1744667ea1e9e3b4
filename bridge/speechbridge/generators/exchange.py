"""What the protocols of language model servers have in common: JSON requests, errors, lists of models."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from speechbridge.generators import large_json
from speechbridge.off_loop import LARGE_BYTES, off_loop
from speechbridge.upstreams.failures import MISCONFIGURED_STATUSES, FailureKind, UpstreamError, server_error
from speechbridge.upstreams.responses import error_text

if TYPE_CHECKING:
    from speechbridge.upstreams.connection import Connection
    from speechbridge.upstreams.endpoint import Endpoint

_OK = HTTPStatus.OK
COALESCE_S = 1 / 60
"""Tokens that arrive faster than a screen draws its frames are passed on together."""
EMBEDS = "embed"
"""Part of the names of models that only make embeddings."""
_OVERFLOW_CODES = frozenset({"exceed_context_size_error", "context_length_exceeded"})
_REFUSAL_WORDS = (
    "input is not supported",
    "does not support",
    "unsupported content",
    "failed to parse tools",
    "failed to parse messages",
    "missing data required for image",
)
"""In a 5xx: llama.cpp's server and Ollama respond so to images, or invalid tools, that their model cannot take.

Not shorter: CUDA's errors of a broken pod say "operation not supported" or "unsupported toolchain".
"""
_OVERFLOW_WORDS = (
    "context length",
    "context size",
    "context window",
    "exceeds the available context",
    "input length exceeds",
)
_DEATH_WORDS = ("process has terminated", "process no longer running")
"""What Ollama says, in a complete 500, after the process of a model died; a new one starts with the next request."""


async def post_json(
    connection: Connection, endpoint: Endpoint, path: str, request: dict[str, Any], headers: str
) -> None:
    """Send a JSON body."""
    size = large_json.size_of(request)
    if size > LARGE_BYTES:
        body = await off_loop(size, large_json.encoded, request)
    else:
        body = json.dumps(request).encode()
    connection.send(
        endpoint.head("POST", path, f"{headers}Content-Type: application/json\r\n", len(body)),
        body,
    )


async def expect_ok(connection: Connection) -> None:
    """Wait for the head of the response; raise the UpstreamError that any status but 200 means."""
    status = await connection.response()
    if status != _OK:
        raise error_of(status, *error_text(await connection.read()))


def error_of(status: int, detail: str, code: str | None) -> UpstreamError:
    """Classify a response of a language model server that is an error."""
    if code in _OVERFLOW_CODES or any(words in detail.lower() for words in _OVERFLOW_WORDS):
        return UpstreamError(FailureKind.OVERFLOW, detail, code=code)
    if status in MISCONFIGURED_STATUSES:  # its own words may quote the bridge's key
        detail = f"it rejected the bridge's request with status {status}; LLM_URL or LLM_API_KEY may be wrong"
        return UpstreamError(FailureKind.MISCONFIGURED, detail)
    if status == HTTPStatus.NOT_FOUND:
        return UpstreamError(FailureKind.MODEL_MISSING, detail or "the model does not exist", code=code)
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        return UpstreamError(FailureKind.BUSY, detail or "the language model is busy")
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR or _rejects_content(detail):
        kind = FailureKind.BAD_REQUEST
    elif any(words in detail.lower() for words in _DEATH_WORDS):
        kind = FailureKind.DIED
    else:
        kind = server_error(status, detail)
    return UpstreamError(kind, detail or f"it responded with status {status}", code=code)


def stream_error(detail: str, code: str | None) -> UpstreamError:
    """Classify an error that follows a 200, in the middle of the answer: most often the model's process died."""
    error = error_of(HTTPStatus.INTERNAL_SERVER_ERROR, detail, code)
    return UpstreamError(FailureKind.DIED, error.detail, code=code) if error.kind is FailureKind.ERROR else error


def _rejects_content(detail: str) -> bool:
    """Return whether a server says that it cannot process what the request contains; llama.cpp says so with a 500."""
    return any(words in detail.lower() for words in _REFUSAL_WORDS)


def names_in(listed: Any, member: str) -> tuple[str, ...]:
    """Return the names in a list of objects; other items are skipped."""
    items = listed if isinstance(listed, list) else []
    return tuple(item[member] for item in items if isinstance(item, dict) and isinstance(item.get(member), str))


def count_in(answer: Any, member: str) -> int | None:
    """Return a number of tokens, None if the server reports none."""
    count = answer.get(member) if isinstance(answer, dict) else None
    return count if isinstance(count, int) and count >= 0 else None
