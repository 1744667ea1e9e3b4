"""OpenAI's chat API: `POST /v1/chat/completions`, streamed as SSE; implemented by vLLM and llama.cpp's server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from speechbridge.generators.exchange import COALESCE_S, EMBEDS, count_in, expect_ok, names_in, post_json, stream_error
from speechbridge.generators.port import Completion
from speechbridge.upstreams import sse
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.upstreams.responses import error_text, json_object, json_objects

if TYPE_CHECKING:
    from speechbridge.generators.options import GenerationOptions, JsonFormat, Think
    from speechbridge.generators.port import GenerationRequest, OnText
    from speechbridge.upstreams.endpoint import Endpoint

_DONE = "[DONE]"
_PATH = "/v1/chat/completions"


class OpenAIChat:
    """Implements the port `Generator`.

    Args:
        think: Whether the model reasons, unless the request says; None for the server's default.
    """

    def __init__(self, think: Think | None = None) -> None:
        self._think = think

    async def generate(
        self, endpoint: Endpoint, request: GenerationRequest, headers: str, on_text: OnText
    ) -> Completion:
        """Report the text, and return how it ended; see the port."""
        body = self._body(request)
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
        parser = sse.Parser()
        finish_reason = None
        usage: Any = None
        async with endpoint.connection() as connection:
            await post_json(connection, endpoint, _PATH, body, headers)
            await expect_ok(connection)
            async for chunk in connection.chunks(COALESCE_S):
                items, error = _items(parser, chunk)
                text = []
                for item in items:
                    usage = item.get("usage") or usage
                    delta, reason = _choice(item)
                    text.append(delta)
                    finish_reason = reason or finish_reason
                if any(text) or (items and not error):
                    await on_text("".join(text))
                if error:
                    raise error
            if finish_reason is None:
                raise UpstreamError(FailureKind.DIED, "the response ended early")
            return Completion(finish_reason, count_in(usage, "prompt_tokens"), count_in(usage, "completion_tokens"))

    async def prefill(self, endpoint: Endpoint, request: GenerationRequest, headers: str) -> None:
        """Request a single token; the server keeps the evaluated prefix in its cache."""
        body = {**self._body(request), "max_tokens": 1}
        async with endpoint.connection() as connection:
            await post_json(connection, endpoint, _PATH, body, headers)
            await expect_ok(connection)
            await connection.read()

    async def models(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return what `/v1/models` lists, models for embeddings last."""
        async with endpoint.connection() as connection:
            connection.send(endpoint.head("GET", "/v1/models", "", 0))
            await expect_ok(connection)
            listed = json_object(await connection.read()).get("data")
        return tuple(sorted(names_in(listed, "id"), key=lambda name: EMBEDS in name))

    def _body(self, request: GenerationRequest) -> dict[str, Any]:
        options = request.options
        think = self._think if options.think is None else options.think
        members = {"model": request.model, "messages": request.messages, **_members(options), **_reasoning(think)}
        return {name: value for name, value in members.items() if value is not None}


def _members(options: GenerationOptions) -> dict[str, Any]:
    return {
        "temperature": options.temperature,
        "max_tokens": options.max_tokens,
        "seed": options.seed,
        "stop": list(options.stop) or None,
        "response_format": options.json_format and _response_format(options.json_format),
    }


def _response_format(wanted: JsonFormat) -> dict[str, Any]:
    if wanted.schema is None:
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": wanted.name, "schema": wanted.schema}
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": schema}


def _reasoning(think: Think | None) -> dict[str, Any]:
    """Return the members for reasoning: OpenAI's API has only degrees; vLLM and llama.cpp switch in the template."""
    if think is None:
        return {}
    if isinstance(think, bool):
        return {"chat_template_kwargs": {"enable_thinking": think}}
    return {"reasoning_effort": think}


def _items(parser: sse.Parser, chunk: bytes) -> tuple[list[dict[str, Any]], UpstreamError | None]:
    """Return the items before the first error, and that error."""
    try:
        events = parser.feed(chunk)
    except ValueError:
        raise UpstreamError(FailureKind.BAD_ANSWER, "the event stream is malformed") from None
    items = json_objects([event.data.encode() for event in events if event.data != _DONE])
    for position, item in enumerate(items):
        if "error" in item:
            detail, code = error_text(json.dumps(item).encode())
            return items[:position], stream_error(detail, code)
    return items, None


def _choice(item: dict[str, Any]) -> tuple[str, str | None]:
    try:
        choice = (item.get("choices") or [{}])[0]
        content, reason = (choice.get("delta") or {}).get("content"), choice.get("finish_reason")
    except (AttributeError, KeyError, TypeError):
        raise UpstreamError(FailureKind.BAD_ANSWER, "a chunk of the response is invalid") from None
    return content if isinstance(content, str) else "", str(reason) if reason else None
