"""Ollama: `POST /api/chat`, streamed as NDJSON.

Its quirks, all handled here: an error may be a line within a 200; other options than those of the last request reload
the model, so prefill uses the same; the start of too long a prompt is silently cut off unless `truncate` and `shift`
are off, and in versions without these options only the number of evaluated tokens reveals it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from speechbridge.generators.exchange import COALESCE_S, count_in, expect_ok, names_in, post_json, stream_error
from speechbridge.generators.port import Completion
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.upstreams.responses import error_text, json_object, json_objects

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from speechbridge.generators.prompt import Message
    from speechbridge.upstreams.endpoint import Endpoint


_PATH = "/api/chat"
_MAX_LINE_BYTES = 8 * 2**20


class Ollama:
    """Implements the port `Generator`.

    Args:
        context_length: Context length to request in tokens (`num_ctx`); 0 for the server's default.
        keep_alive: How long the model stays loaded; empty for the server's default.
    """

    def __init__(self, context_length: int = 0, keep_alive: str = "") -> None:
        self._context_length = context_length
        self._keep_alive = keep_alive

    async def generate(
        self, endpoint: Endpoint, model: str, messages: list[Message], headers: str
    ) -> AsyncGenerator[str | Completion]:
        """Yield the text, then the Completion; see the port."""
        async with endpoint.connection() as connection:
            post_json(connection, endpoint, _PATH, self._request(model, messages), headers)
            await expect_ok(connection)
            tail = b""
            completion = None
            async for chunk in connection.chunks(COALESCE_S):
                *lines, tail = (tail + chunk).split(b"\n")
                if len(tail) > _MAX_LINE_BYTES:
                    raise UpstreamError(FailureKind.BAD_ANSWER, "a line of the response is too long")
                text = []
                for item in json_objects(lines):
                    text.append(_content(item))
                    if item.get("done"):
                        completion = self._completion(item)
                if any(text):
                    yield "".join(text)
            if completion is None:
                raise UpstreamError(FailureKind.DIED, "the response ended early")
            yield completion

    async def prefill(self, endpoint: Endpoint, model: str, messages: list[Message], headers: str) -> None:
        """Request a single token; see the port."""
        request = self._request(model, messages)
        request["stream"] = False
        request["options"] = {**request.get("options", {}), "num_predict": 1}
        async with endpoint.connection() as connection:
            post_json(connection, endpoint, _PATH, request, headers)
            await expect_ok(connection)
            await connection.read()

    async def models(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return what `/api/tags` lists."""
        async with endpoint.connection() as connection:
            connection.send(endpoint.head("GET", "/api/tags", "", 0))
            await expect_ok(connection)
            listed = json_object(await connection.read()).get("models")
        return names_in(listed, "name")

    def _request(self, model: str, messages: list[Message]) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": model,
            "messages": messages,
            "stream": True,
            "truncate": False,
            "shift": False,
        }
        if self._context_length:
            request["options"] = {"num_ctx": self._context_length}
        if self._keep_alive:
            request["keep_alive"] = int(self._keep_alive) if _is_int(self._keep_alive) else self._keep_alive
        return request

    def _completion(self, item: dict[str, Any]) -> Completion:
        prompt_tokens = count_in(item, "prompt_eval_count")
        overflowed = bool(self._context_length and prompt_tokens and prompt_tokens >= self._context_length)
        completion_tokens = count_in(item, "eval_count")
        return Completion(str(item.get("done_reason") or "stop"), prompt_tokens, completion_tokens, overflowed)


def _content(item: dict[str, Any]) -> str:
    if "error" in item:
        detail, code = error_text(json.dumps(item).encode())
        raise stream_error(detail, code)
    message = item.get("message")
    return str(message.get("content") or "") if isinstance(message, dict) else ""


def _is_int(text: str) -> bool:
    return text.removeprefix("-").isdigit()
