"""Ollama's OpenAI door: its middleware rewrites the native answers, and loses errors that come inside a stream."""

import json
from collections.abc import AsyncIterator
from typing import Any

from fakes.sending import Reply, event, wire

CREATED = 1764000000
ID = "chatcmpl-417"


def to_native(body: Any) -> Any:
    """An OpenAI request as the one of /api/chat that the middleware makes of it."""
    if not isinstance(body, dict):
        return None
    options: dict[str, Any] = {}
    if body.get("max_tokens") is not None:
        options["num_predict"] = body["max_tokens"]
    return {
        "model": body.get("model"),
        "messages": body.get("messages"),
        "stream": bool(body.get("stream")),
        "options": options,
    }


def openai_reply(native: Reply, body: dict[str, Any]) -> Reply:
    if not isinstance(native.body, bytes):
        with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        return Reply(_events(native.body, with_usage=with_usage), content_type="text/event-stream")
    answer = json.loads(native.body)
    choice = {"index": 0, "message": answer["message"], "finish_reason": answer["done_reason"]}
    frame = _frame(answer["model"], "chat.completion")
    return Reply(wire({**frame, "choices": [choice], "usage": _usage(answer)}))


def openai_error(status: int, message: str) -> Reply:
    """The status is kept, but every error is called an `api_error`."""
    error = {"message": message, "type": "api_error", "param": None, "code": None}
    return Reply(wire({"error": error}), status)


async def _events(lines: AsyncIterator[bytes], *, with_usage: bool) -> AsyncIterator[bytes]:
    async for line in lines:
        answer = json.loads(line)
        frame = _frame(answer.get("model", ""), "chat.completion.chunk")
        # an error line has neither message nor done_reason: what is left of it is an empty chunk without a model
        delta = answer.get("message", {"role": "assistant", "content": ""})
        choice = {"index": 0, "delta": delta, "finish_reason": answer.get("done_reason")}
        yield event({**frame, "choices": [choice]})
        if not answer.get("done"):
            continue
        if with_usage:
            yield event({**frame, "choices": [], "usage": _usage(answer)})
        yield b"data: [DONE]\n\n"


def _frame(model: str, kind: str) -> dict[str, Any]:
    return {"id": ID, "object": kind, "created": CREATED, "model": model, "system_fingerprint": "fp_ollama"}


def _usage(answer: dict[str, Any]) -> dict[str, int]:
    prompt, completion = answer.get("prompt_eval_count", 0), answer.get("eval_count", 0)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
