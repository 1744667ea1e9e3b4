"""Ollama: `POST /api/chat`, streamed as NDJSON.

Its quirks, all handled here: an error may be a line within a 200; other options than those of the last request reload
the model, so prefill uses the same; the start of too long a prompt is silently cut off unless `truncate` and `shift`
are off, and in versions without these options only the number of evaluated tokens reveals it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from speechbridge.generators.exchange import COALESCE_S, EMBEDS, count_in, expect_ok, post_json, stream_error
from speechbridge.generators.port import Completion
from speechbridge.model_list import ModelSettings
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.upstreams.responses import error_text, json_object, json_objects

if TYPE_CHECKING:
    from speechbridge.generators.options import GenerationOptions, Think
    from speechbridge.generators.port import GenerationRequest, OnText
    from speechbridge.model_list import Models
    from speechbridge.upstreams.endpoint import Endpoint


_PATH = "/api/chat"
_MAX_LINE_BYTES = 8 * 2**20
_ENCODER_FAMILY = "bert"
"""Part of the family of models that only make embeddings (`bert`, `nomic-bert`, ...)."""
_NO_SETTINGS = ModelSettings()


class Ollama:
    """Implements the port `Generator`.

    Args:
        models: The models, with what applies to one of them in place of the rest.
        context_length: Context length to request in tokens (`num_ctx`); 0 for the server's default.
        keep_alive: How long the model stays loaded, unless the request says; empty for the server's default.
        think: Whether the model reasons, unless the request says; None for the server's default.
    """

    def __init__(
        self, models: Models, context_length: int = 0, keep_alive: str = "", think: Think | None = None
    ) -> None:
        self._models = models
        self._context_length = context_length
        self._keep_alive = keep_alive
        self._think = think

    async def generate(
        self, endpoint: Endpoint, request: GenerationRequest, headers: str, on_text: OnText
    ) -> Completion:
        """Report the text, and return how it ended; see the port."""
        body = self._body(request)
        context = int(body.get("options", {}).get("num_ctx") or 0)
        async with endpoint.connection() as connection:
            await post_json(connection, endpoint, _PATH, body, headers)
            await expect_ok(connection)
            tail = b""
            completion = None
            async for chunk in connection.chunks(COALESCE_S):
                *lines, tail = (tail + chunk).split(b"\n")
                if len(tail) > _MAX_LINE_BYTES:
                    raise UpstreamError(FailureKind.BAD_ANSWER, "a line of the response is too long")
                completion = await self._pass_on(json_objects(lines), on_text, context) or completion
            if completion is None and tail.strip():  # the last line may end without a line feed
                completion = await self._pass_on(json_objects([tail]), on_text, context)
            if completion is None:
                raise UpstreamError(FailureKind.DIED, "the response ended early")
            return completion

    async def prefill(self, endpoint: Endpoint, request: GenerationRequest, headers: str) -> None:
        """Request a single token; see the port."""
        body = self._body(request)
        body["stream"] = False
        body["options"] = {**body.get("options", {}), "num_predict": 1}
        async with endpoint.connection() as connection:
            await post_json(connection, endpoint, _PATH, body, headers)
            await expect_ok(connection)
            await connection.read()

    async def models(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return what `/api/tags` lists, most recently changed first, but models for embeddings last."""
        async with endpoint.connection() as connection:
            connection.send(endpoint.head("GET", "/api/tags", "", 0))
            await expect_ok(connection)
            listed = json_object(await connection.read()).get("models")
        items = [item for item in listed if _is_model(item)] if isinstance(listed, list) else []
        return tuple(item["name"] for item in sorted(items, key=_only_embeds))

    def _body(self, request: GenerationRequest) -> dict[str, Any]:
        options, own = request.options, self._models.current.settings.get(request.model, _NO_SETTINGS)
        body: dict[str, Any] = {
            "model": request.model,
            "messages": request.messages,
            "stream": True,
            "truncate": False,
            "shift": False,
        }
        if runner_options := self._options(options, own):
            body["options"] = runner_options
        if keep_alive := options.keep_alive or own.keep_alive or self._keep_alive:
            body["keep_alive"] = int(keep_alive) if _is_int(keep_alive) else keep_alive
        if options.json_format:
            body["format"] = "json" if options.json_format.schema is None else options.json_format.schema
        think = self._think if options.think is None else options.think
        if think is not None:
            body["think"] = think
        return body

    def _options(self, options: GenerationOptions, own: ModelSettings) -> dict[str, Any]:
        members = {
            "num_ctx": self._context_length or None,
            **own.options,
            "temperature": options.temperature,
            "num_predict": options.max_tokens,
            "seed": options.seed,
            "stop": list(options.stop) or None,
        }
        return {name: value for name, value in members.items() if value is not None}

    async def _pass_on(self, items: list[dict[str, Any]], on_text: OnText, context: int) -> Completion | None:
        """Report the text in these lines; return how the answer ended, if it did; raise an error among them."""
        text: list[str] = []
        done = error = None
        for item in items:
            message = item.get("message")
            if isinstance(message, dict) and (content := message.get("content")):
                text.append(str(content))
            if error is None and "error" in item:
                error = item
            if done is None and item.get("done"):
                done = item
        if text or (items and error is None):
            await on_text("".join(text))
        if error is not None:
            raise stream_error(*error_text(json.dumps(error).encode()))
        return None if done is None else _completion(done, context)


def _completion(item: dict[str, Any], context: int) -> Completion:
    prompt_tokens = count_in(item, "prompt_eval_count")
    overflowed = bool(context and prompt_tokens and prompt_tokens >= context)
    completion_tokens = count_in(item, "eval_count")
    return Completion(str(item.get("done_reason") or "stop"), prompt_tokens, completion_tokens, overflowed)


def _is_model(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("name"), str)


def _only_embeds(item: dict[str, Any]) -> bool:
    details = item.get("details")
    family = details.get("family") if isinstance(details, dict) else ""
    return _ENCODER_FAMILY in str(family) or EMBEDS in str(item["name"])


def _is_int(text: str) -> bool:
    return text.removeprefix("-").isdigit()
