"""Pass a chat completion on unchanged: Ollama, vLLM and llama.cpp's server all have OpenAI's route for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from speechbridge.generators.exchange import expect_ok, post_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from speechbridge.upstreams.endpoint import Endpoint


@dataclass(frozen=True)
class Head:
    """What precedes the body of a 200."""

    content_type: str


async def forward(endpoint: Endpoint, request: dict[str, Any], headers: str) -> AsyncGenerator[Head | bytes]:
    """Yield the head of the answer, then its body as it comes; raises UpstreamError for anything but a 200."""
    async with endpoint.connection() as connection:
        post_json(connection, endpoint, "/v1/chat/completions", request, headers)
        await expect_ok(connection)
        yield Head(connection.headers.get("content-type", "application/json"))
        async for chunk in connection.chunks():
            yield chunk
