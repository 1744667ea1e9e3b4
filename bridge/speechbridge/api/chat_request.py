"""Validates the JSON body of a chat: what is forwarded to the language model server, and what is not."""

from __future__ import annotations

from typing import Any

from speechbridge.errors import Problem

REFUSED_MEMBERS = (
    "best_of",
    "chat_template",
    "grammar",
    "guided_decoding_backend",
    "guided_grammar",
    "guided_regex",
    "id_slot",
    "kv_transfer_params",
    "logits_processors",
    "lora",
    "media_io_kwargs",
    "mm_processor_kwargs",
    "priority",
    "prompt_logprobs",
    "structured_outputs",
    "use_beam_search",
    "vllm_xargs",
)
"""Members by which one caller could slow down or take over a model server that all callers share.

They are extensions of vLLM and llama.cpp's server: code and templates that the server runs, patterns that cost
exponential time, and multiples of the work. `response_format` does what `structured_outputs` is for.
"""
MAX_CHOICES = 8
_MEDIA_PARTS = ("image_url", "video_url")


def check_chat(body: dict[str, Any], *, media_urls: bool) -> None:
    """Reject a chat that the bridge does not understand, or does not forward; the model server checks the rest.

    Args:
        body: OpenAI's request.
        media_urls: Whether the model server may fetch media from URLs in the messages.

    Raises:
        Problem: `bad_field`.
    """
    _check_members(body)
    _check_tools(body.get("tools"))
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(item, dict) for item in messages):
        raise invalid("messages", "'messages' must be a list with at least one message.")
    if not all(isinstance(item.get("role"), str) for item in messages):
        raise invalid("messages", "Each message requires a 'role', such as user.")
    for item in messages:
        _check_content(item.get("content"), media_urls=media_urls)


def model_in(body: dict[str, Any]) -> str | None:
    """Return the model that a request names, None for the default; raises Problem `bad_field`."""
    model = body.get("model")
    if model is not None and not isinstance(model, str):
        raise invalid("model", "'model' must be a string.")
    return model or None


def invalid(param: str, detail: str) -> Problem:
    """Return the problem of an invalid member."""
    return Problem("bad_field", detail, param=param)


def _check_members(body: dict[str, Any]) -> None:
    for name in REFUSED_MEMBERS:
        if body.get(name) is not None:
            raise invalid(name, f"The bridge does not forward '{name}' to the language model server.")
    choices = body.get("n")
    if choices is not None and (type(choices) is not int or not 1 <= choices <= MAX_CHOICES):
        raise invalid("n", f"'n' must be an integer from 1 to {MAX_CHOICES}.")
    if not isinstance(body.get("stream", False), bool | None):
        raise invalid("stream", "'stream' must be true or false.")


def _check_tools(tools: Any) -> None:
    """Reject what makes llama.cpp's server respond with 500 instead of 400."""
    if tools is None:
        return
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise invalid("tools", "'tools' must be a list of objects.")
    for tool in tools:
        function = tool.get("function")
        named = isinstance(function, dict) and isinstance(function.get("name"), str)
        if tool.get("type") == "function" and not named:
            raise invalid("tools", "A tool of the type 'function' requires a 'function' with a 'name'.")


def _check_content(content: Any, *, media_urls: bool) -> None:
    parts = content if isinstance(content, list) else []
    if not isinstance(content, str | list | None) or not all(
        isinstance(part, dict) and isinstance(part.get("type"), str) for part in parts
    ):
        raise invalid("messages", "The 'content' of a message must be text, or a list of parts with a 'type' each.")
    for part in parts:
        if part["type"] in _MEDIA_PARTS and not media_urls:
            _check_media(part["type"], part.get(part["type"]))


def _check_media(kind: str, value: Any) -> None:
    """Reject a URL: the model server, which may reach what callers may not, would fetch it."""
    url = value.get("url") if isinstance(value, dict) else value
    if not isinstance(url, str) or url[:5].lower() != "data:":
        raise invalid("messages", f"The {kind} part requires a data: URI; URLs are not fetched (FORWARD_MEDIA_URLS).")
