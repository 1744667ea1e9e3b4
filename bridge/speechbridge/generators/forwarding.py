"""Forward a chat completion unchanged: Ollama, vLLM and llama.cpp's server all have OpenAI's route for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from speechbridge.generators.exchange import COALESCE_S, expect_ok, post_json
from speechbridge.upstreams.failures import FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from speechbridge.upstreams.endpoint import Endpoint


_DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Head:
    """The head of a 200, before its body."""

    content_type: str


async def forward(endpoint: Endpoint, request: dict[str, Any], headers: str) -> AsyncGenerator[Head | bytes]:
    """Yield the head of the response, then its body as it arrives; raises UpstreamError for any status but 200."""
    async with endpoint.connection() as connection:
        post_json(connection, endpoint, "/v1/chat/completions", request, headers)
        await expect_ok(connection)
        content_type = connection.headers.get("content-type", "application/json")
        yield Head(content_type)
        end = b""
        async for chunk in connection.chunks(COALESCE_S):
            end = (end + chunk[-len(_DONE) :])[-len(_DONE) :]
            yield chunk
        if content_type.startswith("text/event-stream") and end.strip() != _DONE.strip():
            # For example after an error of Ollama in mid-stream, which it does not report.
            raise UpstreamError(FailureKind.DIED, "the response ended early")
