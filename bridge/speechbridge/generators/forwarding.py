"""Pass a chat completion on unchanged: Ollama, vLLM and llama.cpp's server all have OpenAI's route for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from speechbridge.generators.exchange import GATHER, expect_ok, post_json
from speechbridge.upstreams.failures import FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from speechbridge.upstreams.endpoint import Endpoint


_DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Head:
    """What precedes the body of a 200."""

    content_type: str


async def forward(endpoint: Endpoint, request: dict[str, Any], headers: str) -> AsyncGenerator[Head | bytes]:
    """Yield the head of the answer, then its body as it comes; raises UpstreamError for anything but a 200."""
    async with endpoint.connection() as connection:
        post_json(connection, endpoint, "/v1/chat/completions", request, headers)
        await expect_ok(connection)
        content_type = connection.headers.get("content-type", "application/json")
        yield Head(content_type)
        end = b""
        async for chunk in connection.chunks(GATHER):
            end = (end + chunk[-len(_DONE) :])[-len(_DONE) :]
            yield chunk
        if content_type.startswith("text/event-stream") and end.strip() != _DONE.strip():
            raise UpstreamError(FailureKind.DIED, "the answer broke off")  # Ollama loses an error in mid-stream so
