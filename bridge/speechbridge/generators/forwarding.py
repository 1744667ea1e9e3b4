"""Forward a chat completion unchanged: Ollama, vLLM and llama.cpp's server all have OpenAI's route for it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from speechbridge.generators.exchange import COALESCE_S, count_in, error_of, expect_ok, post_json
from speechbridge.generators.port import Completion
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.upstreams.responses import error_text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from speechbridge.upstreams.endpoint import Endpoint

_DONE = b"[DONE]"
_EVENT_END = re.compile(rb"\r\n\r\n|\n\r\n|\n\n|\r\r")
_MAX_EVENT_BYTES = 8 * 2**20
_WORTH_PARSING = re.compile(rb'"usage"\s*:\s*\{|"error"\s*:')
_FINISHED = re.compile(rb'"finish_reason"\s*:\s*"')


@dataclass(frozen=True)
class Head:
    """The head of a 200, before its body."""

    content_type: str


async def forward(
    endpoint: Endpoint, request: dict[str, Any], headers: str
) -> AsyncGenerator[Head | bytes | Completion]:
    """Yield the head of the response, its body (of a stream, whole events as they arrive), then its tokens.

    Raises:
        UpstreamError: The status is not 200, the stream ends early, or one of its events is an error.
    """
    counted = _with_usage(request)
    async with endpoint.connection() as connection:
        await post_json(connection, endpoint, "/v1/chat/completions", counted, headers)
        await expect_ok(connection)
        content_type = connection.headers.get("content-type", "application/json")
        yield Head(content_type)
        if not content_type.startswith("text/event-stream"):
            body = await connection.read()
            yield body
            yield _completion(_parsed(body).get("usage"))
            return
        stream = ForwardedStream(hide_usage=counted is not request)
        async for chunk in connection.chunks(COALESCE_S):
            if events := stream.feed(chunk):
                yield events
            if stream.error:
                raise stream.error
        if rest := stream.end():
            yield rest
        if stream.error or not stream.ended:
            # For example after an error of Ollama in mid-stream, which it does not report.
            raise stream.error or UpstreamError(FailureKind.DIED, "the response ended early")
        yield stream.completion


class ForwardedStream:
    """The events of a streamed completion, passed on byte for byte.

    Args:
        hide_usage: Whether the chunk with the number of tokens is kept back: the client did not ask for it.

    Attributes:
        completion: The number of tokens, as far as the server reported it.
        ended: Whether the stream is complete: with `[DONE]`, or with a reason why the model stopped.
        error: What the event that is an error says; it is kept back, and nothing after it is passed on.
    """

    def __init__(self, *, hide_usage: bool) -> None:
        self.completion = _completion(None)
        self.ended = False
        self.error: UpstreamError | None = None
        self._hide_usage = hide_usage
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return the events that this chunk completes.

        Raises:
            UpstreamError: `bad_answer`: an event is longer than 8 MiB.
        """
        searched = max(0, len(self._rest) - len(b"\r\n\r"))
        data = self._rest + chunk
        passed, start = [], 0
        for end in _EVENT_END.finditer(data, searched):
            event = data[start : end.end()]
            start = end.end()
            if self._passes(event):
                passed.append(event)
            if self.error:
                break
        self._rest = data[start:]
        if len(self._rest) > _MAX_EVENT_BYTES:
            raise UpstreamError(FailureKind.BAD_ANSWER, "an event of the response is too long")
        return b"".join(passed)

    def end(self) -> bytes:
        """Return the last event, if the stream ended without the blank line after it."""
        event, self._rest = self._rest, b""
        return event if event.strip() and self._passes(event) else b""

    def _passes(self, event: bytes) -> bool:
        data = data_of(event)
        if data == _DONE or _FINISHED.search(data):
            self.ended = True
        if not _WORTH_PARSING.search(data):
            return True
        item = _parsed(data)
        if item.get("error") and not item.get("choices"):
            self.error = error_of(HTTPStatus.INTERNAL_SERVER_ERROR, *error_text(data))
            return False
        if isinstance(item.get("usage"), dict):
            self.completion = _completion(item["usage"])
            return not (self._hide_usage and item.get("choices") == [])
        return True


def data_of(event: bytes) -> bytes:
    """Return the data of an event, of one or more lines."""
    lines = (line.partition(b":") for line in event.splitlines())
    return b"\n".join(value.strip() for field, _, value in lines if field == b"data")


def _with_usage(request: dict[str, Any]) -> dict[str, Any]:
    """Return the request, or for a stream without the number of tokens a copy that asks for it."""
    options = request.get("stream_options") or {}
    if request.get("stream") is not True or not isinstance(options, dict) or options.get("include_usage"):
        return request
    return {**request, "stream_options": {**options, "include_usage": True}}


def _completion(usage: Any) -> Completion:
    return Completion("", count_in(usage, "prompt_tokens"), count_in(usage, "completion_tokens"))


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        item = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return item if isinstance(item, dict) else {}
