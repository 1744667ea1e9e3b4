"""OpenAI's chat API: `POST /v1/chat/completions`, streamed as SSE; implemented by vLLM and llama.cpp's server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from speechbridge.generators.exchange import COALESCE_S, count_in, expect_ok, names_in, post_json, stream_error
from speechbridge.generators.port import Completion
from speechbridge.upstreams import sse
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.upstreams.responses import error_text, json_object, json_objects

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from speechbridge.generators.prompt import Message
    from speechbridge.upstreams.endpoint import Endpoint

_DONE = "[DONE]"
_PATH = "/v1/chat/completions"


class OpenAIChat:
    """Implements the port `Generator`."""

    async def generate(
        self, endpoint: Endpoint, model: str, messages: list[Message], headers: str
    ) -> AsyncGenerator[str | Completion]:
        """Yield the text, then the Completion; see the port."""
        request = {
            "model": model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        parser = sse.Parser()
        finish_reason = None
        usage: Any = None
        async with endpoint.connection() as connection:
            post_json(connection, endpoint, _PATH, request, headers)
            await expect_ok(connection)
            async for chunk in connection.chunks(COALESCE_S):
                text = []
                for item in _items(parser, chunk):
                    usage = item.get("usage") or usage
                    delta, reason = _choice(item)
                    text.append(delta)
                    finish_reason = reason or finish_reason
                if any(text):
                    yield "".join(text)
            if finish_reason is None:
                raise UpstreamError(FailureKind.DIED, "the response ended early")
            yield Completion(finish_reason, count_in(usage, "prompt_tokens"), count_in(usage, "completion_tokens"))

    async def prefill(self, endpoint: Endpoint, model: str, messages: list[Message], headers: str) -> None:
        """Request a single token; the server keeps the evaluated prefix in its cache."""
        request = {"model": model, "messages": messages, "max_tokens": 1}
        async with endpoint.connection() as connection:
            post_json(connection, endpoint, _PATH, request, headers)
            await expect_ok(connection)
            await connection.read()

    async def models(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return what `/v1/models` lists."""
        async with endpoint.connection() as connection:
            connection.send(endpoint.head("GET", "/v1/models", "", 0))
            await expect_ok(connection)
            listed = json_object(await connection.read()).get("data")
        return names_in(listed, "id")


def _items(parser: sse.Parser, chunk: bytes) -> list[dict[str, Any]]:
    try:
        events = parser.feed(chunk)
    except ValueError:
        raise UpstreamError(FailureKind.BAD_ANSWER, "the event stream is malformed") from None
    items = json_objects([event.data.encode() for event in events if event.data != _DONE])
    for item in items:
        if "error" in item:
            detail, code = error_text(json.dumps(item).encode())
            raise stream_error(detail, code)
    return items


def _choice(item: dict[str, Any]) -> tuple[str, str | None]:
    try:
        choice = (item.get("choices") or [{}])[0]
        content, reason = (choice.get("delta") or {}).get("content"), choice.get("finish_reason")
    except (AttributeError, KeyError, TypeError):
        raise UpstreamError(FailureKind.BAD_ANSWER, "a chunk of the response is invalid") from None
    return content if isinstance(content, str) else "", str(reason) if reason else None
