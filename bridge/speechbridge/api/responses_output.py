"""Translates chat completions into responses of OpenAI's Responses API, whole or as events.

Source: OpenAI's API reference, "The response object" and "Streaming events".
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from speechbridge.api import sse
from speechbridge.errors import Problem
from speechbridge.generators.exchange import count_in
from speechbridge.generators.thinking import ReasoningFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    Json = dict[str, Any]

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class Response:
    """A response that grows with the chunks of a chat completion.

    Reasoning at the start of the text is left out, as in `/process`.

    Args:
        request: The body of the request, parts of which the response repeats.
        model: The language model.
        warnings: About the recordings in the request, None if it has none; may grow.
    """

    def __init__(self, request: Json, model: str, warnings: list[dict[str, str]] | None = None) -> None:
        self._warnings = warnings
        self._request = request
        self._model = model
        self._id = _new_id("resp")
        self._created_at = int(time.time())
        self._output: list[Json] = []
        self._open: list[int] = []  # positions in the output
        self._calls: dict[int, int] = {}  # position in the output, by the chat's index of the call
        self._reasoning = ReasoningFilter()
        self._finish_reason = "stop"
        self._usage: Any = None
        self._sequence_number = 0

    def begin(self) -> Iterator[bytes]:
        """Yield the events before the first chunk, unless they have been."""
        if self._sequence_number:
            return
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, response=self.document("in_progress"))

    def add(self, chunk: Json) -> Iterator[bytes]:
        """Yield the events of a chunk, or of a whole completion.

        Raises:
            Problem: `generator_bad_answer`.
        """
        self._usage = chunk.get("usage") or self._usage
        try:
            choice = (chunk.get("choices") or [{}])[0]
            delta = choice.get("delta") or choice.get("message") or {}
            calls = list(enumerate(delta.get("tool_calls") or []))
            text, reason = delta.get("content"), choice.get("finish_reason")
        except (AttributeError, KeyError, TypeError):
            raise Problem("generator_bad_answer", "A chunk of the language model's response is invalid.") from None
        self._finish_reason = str(reason or self._finish_reason)
        if isinstance(text, str):
            yield from self._add_text(self._reasoning.feed(text))
        for position, call in calls:
            yield from self._add_call(position, call)

    def finish(self) -> Iterator[bytes]:
        """Yield the events after the last chunk."""
        yield from self._add_text(self._reasoning.end())
        yield from self._close()
        status = self.status
        yield self._event(f"response.{status}", response=self.document(status))

    def fail(self, problem: Problem) -> Iterator[bytes]:
        """Yield the events of a failure."""
        yield from self.begin()
        yield self._event("error", code=problem.code, message=problem.detail, param=problem.param)
        document = self.document("failed")
        document["error"] = {"code": problem.code, "message": problem.detail}
        yield self._event("response.failed", response=document)

    @property
    def status(self) -> str:
        """How a response without an error ended."""
        return "incomplete" if self._finish_reason in _INCOMPLETE else "completed"

    def document(self, status: str) -> Json:
        """Return the response as far as it is known."""
        asked = self._request
        reasoning = asked.get("reasoning") or {}
        incomplete = {"reason": _INCOMPLETE[self._finish_reason]} if status == "incomplete" else None
        document = {
            "id": self._id,
            "object": "response",
            "created_at": self._created_at,
            "status": status,
            "error": None,
            "incomplete_details": incomplete,
            "instructions": asked.get("instructions"),
            "max_output_tokens": asked.get("max_output_tokens"),
            "metadata": asked.get("metadata") or {},
            "model": self._model,
            "output": [dict(item) for item in self._output],
            "parallel_tool_calls": asked.get("parallel_tool_calls") is not False,
            "previous_response_id": None,
            "reasoning": {"effort": reasoning.get("effort"), "summary": None},
            "store": False,
            "temperature": asked.get("temperature"),
            "text": {"format": {"type": "text"}, **(asked.get("text") or {})},
            "tool_choice": asked.get("tool_choice") or "auto",
            "tools": asked.get("tools") or [],
            "top_p": asked.get("top_p"),
            "truncation": "disabled",
            "usage": None if status in {"in_progress", "failed"} else _usage(self._usage),
        }
        if self._warnings is not None:
            document["warnings"] = list(self._warnings)
        return document

    def _add_text(self, text: str) -> Iterator[bytes]:
        if not text:
            return
        position = len(self._output) - 1
        if position not in self._open or self._output[position]["type"] != "message":
            yield from self._close()
            position = len(self._output)
            message = {"type": "message", "id": _new_id("msg"), "status": "in_progress", "role": "assistant"}
            yield self._begin({**message, "content": []})
            self._output[position]["content"] = [_part("")]
            yield self._at("response.content_part.added", position, content_index=0, part=_part(""))
        part = self._output[position]["content"][0]
        part["text"] += text
        yield self._at("response.output_text.delta", position, content_index=0, delta=text, logprobs=[])

    def _add_call(self, position_in_chunk: int, call: Json) -> Iterator[bytes]:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise Problem("generator_bad_answer", "A function call in the language model's response is invalid.")
        index = call.get("index")
        index = index if isinstance(index, int) else position_in_chunk  # a completion that is whole has none
        if index not in self._calls:
            if not self._calls:
                yield from self._close()  # the text before the calls
            self._calls[index] = len(self._output)
            item = {"type": "function_call", "id": _new_id("fc"), "status": "in_progress", "arguments": ""}
            yield self._begin(
                {**item, "call_id": call.get("id") or _new_id("call"), "name": function.get("name") or ""}
            )
        position = self._calls[index]
        if arguments := function.get("arguments"):
            self._output[position]["arguments"] += str(arguments)
            yield self._at("response.function_call_arguments.delta", position, delta=str(arguments))

    def _begin(self, item: Json) -> bytes:
        self._open.append(len(self._output))
        self._output.append(item)
        return self._event("response.output_item.added", output_index=len(self._output) - 1, item=item)

    def _close(self) -> Iterator[bytes]:
        """Yield the events that complete the open items."""
        for position in self._open:
            item = self._output[position]
            item["status"] = "completed"
            if item["type"] == "message":
                part = item["content"][0]
                yield self._at("response.output_text.done", position, content_index=0, text=part["text"], logprobs=[])
                yield self._at("response.content_part.done", position, content_index=0, part=part)
            else:
                yield self._at(
                    "response.function_call_arguments.done", position, arguments=item["arguments"], name=item["name"]
                )
            yield self._event("response.output_item.done", output_index=position, item=item)
        self._open = []

    def _at(self, kind: str, position: int, **members: Any) -> bytes:
        return self._event(kind, item_id=self._output[position]["id"], output_index=position, **members)

    def _event(self, kind: str, **members: Any) -> bytes:
        event = {"type": kind, "sequence_number": self._sequence_number, **members}
        self._sequence_number += 1
        return sse.encode(kind, event)


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(usage: Any) -> Json:
    """Return the number of tokens, 0 where the model server does not report it: clients require numbers."""
    prompt, completion = count_in(usage, "prompt_tokens") or 0, count_in(usage, "completion_tokens") or 0
    details = usage if isinstance(usage, dict) else {}
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": count_in(details.get("prompt_tokens_details"), "cached_tokens") or 0},
        "output_tokens": completion,
        "output_tokens_details": {
            "reasoning_tokens": count_in(details.get("completion_tokens_details"), "reasoning_tokens") or 0
        },
        "total_tokens": prompt + completion,
    }


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(16)}"
