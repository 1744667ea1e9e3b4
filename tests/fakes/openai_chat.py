"""llama.cpp's server as a bridge's OpenAI generator meets it (shapes recorded from xllamacpp 2026.10)."""

import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

from fakes.faults import EndsEarly, Fault, StreamError
from fakes.gates import Point
from fakes.received import Received
from fakes.sending import Reply, event, wire
from fakes.server import FakeUpstream

REPLY = ("The", " speaker", " describes", " a", " cold", "-hearted", " man", ".")
CREATED = 1764000000


def count_tokens(messages: Sequence[dict[str, Any]]) -> int:
    """A word is a token; each message costs a few more, as a chat template makes it."""
    return sum(len(_text(message.get("content")).split()) + 4 for message in messages)


class FakeOpenAIChat(FakeUpstream):
    """One model, `context_length` tokens. It answers whatever model is named and refuses a prompt over its context.

    `tokens` is what it says; `max_tokens` cuts it short with `finish_reason: length`. `ready` is what /health tells.
    """

    idle_timeout: ClassVar[float] = 5.0  # as its Keep-Alive header says

    def __init__(self, tokens: Sequence[str] = REPLY, *, model: str = "smollm2", context_length: int = 2048) -> None:
        super().__init__()
        self.tokens = tokens
        self.model = model
        self.context_length = context_length
        self.ready = True
        self._ids = itertools.count(1)

    def is_work(self, received: Received) -> bool:
        return received.path == "/v1/chat/completions"

    async def answer(self, received: Received, fault: Fault | None) -> Reply:
        match (received.method, received.path):
            case ("GET", "/health" | "/v1/health" | "/v1/models" | "/models") if not self.ready:
                return _error(503, "Loading model", "unavailable_error")
            case ("GET", "/health" | "/v1/health"):
                return _reply({"status": "ok"})
            case ("GET", "/v1/models" | "/models"):
                return _reply({"object": "list", "data": [self._model()]})
            case ("POST", "/v1/chat/completions"):
                return self._invalid(received.json) or self._completion(received.json, fault)
            case _:
                return _error(404, "File Not Found", "not_found_error")

    def _model(self) -> dict[str, Any]:
        meta = {"n_ctx": self.context_length, "n_ctx_train": 8192, "n_embd": 576, "n_params": 134515008}
        return {"id": self.model, "object": "model", "created": CREATED, "owned_by": "llamacpp", "meta": meta}

    def _invalid(self, body: Any) -> Reply | None:
        if not isinstance(body, dict):
            message = "[json.exception.parse_error.101] parse error at line 1, column 1: syntax error"
            return _error(400, message, "invalid_request_error")
        if not isinstance(body.get("messages"), list):
            return _error(400, "'messages' is required", "invalid_request_error")
        prompt = count_tokens(body["messages"])
        if prompt >= self.context_length:
            message = (
                f"request ({prompt} tokens) exceeds the available context size ({self.context_length} tokens), "
                "try increasing it"
            )
            more = {"n_prompt_tokens": prompt, "n_ctx": self.context_length}
            return _error(400, message, "exceed_context_size_error", **more)
        return None

    def _completion(self, body: dict[str, Any], fault: Fault | None) -> Reply:
        limit = body.get("max_completion_tokens", body.get("max_tokens"))
        limit = len(self.tokens) if limit is None or limit < 0 else limit
        said = self.tokens[:limit]
        finish = "length" if len(said) < len(self.tokens) else "stop"
        usage = _usage(count_tokens(body["messages"]), len(said))
        frame = {
            "created": CREATED,
            "id": f"chatcmpl-{next(self._ids)}",
            "model": self.model,
            "system_fingerprint": "b0-unknown",
        }
        if body.get("stream"):
            with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
            events = self._events(frame, said, finish, usage if with_usage else None, fault)
            return Reply(events, content_type="text/event-stream", headers={"Server": "llama.cpp"})
        message = {"role": "assistant", "content": "".join(said)}
        choice = {"finish_reason": finish, "index": 0, "message": message}
        return _reply({"choices": [choice], "object": "chat.completion", "usage": usage, **frame, "timings": _TIMINGS})

    async def _events(
        self,
        frame: dict[str, Any],
        said: Sequence[str],
        finish: str,
        usage: dict[str, Any] | None,
        fault: Fault | None,
    ) -> AsyncIterator[bytes]:
        chunk = {**frame, "object": "chat.completion.chunk"}
        await self.at(Point.BEFORE_FIRST_TOKEN)
        yield event({"choices": [_choice({"role": "assistant", "content": None})], **chunk})
        for index, token in enumerate(said):
            if isinstance(fault, StreamError) and index == fault.after:
                yield event({"error": {"code": 500, "message": fault.message, "type": "server_error"}})
                return
            if isinstance(fault, EndsEarly) and index == fault.after:
                return
            if index:
                await self.at(Point.BETWEEN_TOKENS)
            yield event({"choices": [_choice({"content": token})], **chunk})
        await self.at(Point.BEFORE_LAST_LINE)
        timings = {} if usage else {"timings": _TIMINGS}
        yield event({"choices": [_choice({}, finish)], **chunk, **timings})
        if usage:
            yield event({"choices": [], **chunk, "usage": usage, "timings": _TIMINGS})
        yield b"data: [DONE]\n\n"


_TIMINGS = {
    "cache_n": 0,
    "prompt_n": 32,
    "prompt_ms": 360.2,
    "prompt_per_token_ms": 11.3,
    "prompt_per_second": 88.8,
    "predicted_n": 8,
    "predicted_ms": 66.2,
    "predicted_per_token_ms": 8.3,
    "predicted_per_second": 120.8,
}


def _text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content)
    return content or ""


def _usage(prompt: int, completion: int) -> dict[str, Any]:
    return {
        "completion_tokens": completion,
        "prompt_tokens": prompt,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def _choice(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"finish_reason": finish, "index": 0, "delta": delta}


def _reply(data: object) -> Reply:
    return Reply(wire(data), content_type="application/json; charset=utf-8", headers={"Server": "llama.cpp"})


def _error(status: int, message: str, kind: str, **more: int) -> Reply:
    body = wire({"error": {"code": status, "message": message, "type": kind, **more}})
    headers = {"Server": "llama.cpp"}
    return Reply(body, status, "application/json; charset=utf-8", headers, announce_close=True)
