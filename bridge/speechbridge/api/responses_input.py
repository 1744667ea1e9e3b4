"""Translates a request of OpenAI's Responses API into one for a chat completion.

Source: OpenAI's API reference, "Create a model response". The bridge keeps no state: what refers to stored responses,
files or prompts is rejected, and `store` is ignored.
"""

from __future__ import annotations

from typing import Any

from speechbridge.api.chat_request import invalid

Json = dict[str, Any]

_STATEFUL = {
    "background": "runs no response in the background",
    "conversation": "stores no conversations; send the whole conversation in 'input'",
    "previous_response_id": "stores no responses; send the whole conversation in 'input'",
    "prompt": "stores no prompts; send their text in 'instructions'",
}
_SAME_MEMBERS = ("model", "stream", "temperature", "top_p", "parallel_tool_calls")
_TEXT_PARTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}
_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_FORMATS = ("text", "json_object", "json_schema")


def chat_body(body: Json) -> Json:
    """Return the body of the chat completion that answers this request; members that it does not have are ignored.

    Raises:
        Problem: `bad_field`.
    """
    for name, reason in _STATEFUL.items():
        if body.get(name):
            raise invalid(name, f"The bridge {reason}.")
    chat = {name: body[name] for name in _SAME_MEMBERS if body.get(name) is not None}
    chat["messages"] = _merged_system(_instructions(body.get("instructions")) + _messages(body.get("input")))
    if body.get("max_output_tokens") is not None:
        chat["max_tokens"] = body["max_output_tokens"]
    if response_format := _response_format(_object(body, "text").get("format")):
        chat["response_format"] = response_format
    if effort := _object(body, "reasoning").get("effort"):
        chat["reasoning_effort"] = effort
    if tools := _tools(body.get("tools")):
        chat["tools"] = tools
        if choice := _tool_choice(body.get("tool_choice")):
            chat["tool_choice"] = choice
    else:
        chat.pop("parallel_tool_calls", None)  # OpenAI rejects it without tools
    if chat.get("stream") is True:
        chat["stream_options"] = {"include_usage": True}
    return chat


def _object(body: Json, name: str) -> Json:
    value = body.get(name)
    if not isinstance(value, dict | None):
        raise invalid(name, f"'{name}' must be an object.")
    return value or {}


def _instructions(instructions: Any) -> list[Json]:
    if not isinstance(instructions, str | None):
        raise invalid("instructions", "'instructions' must be a string.")
    return [{"role": "system", "content": instructions}] if instructions else []


def _messages(items: Any) -> list[Json]:
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise invalid("input", "'input' must be text, or a list with at least one item.")
    messages: list[Json] = []
    for item in items:
        kind = item.get("type") or "message"
        if kind == "message":
            messages.append(_message(item))
        elif kind == "function_call":
            _add_call(messages, item)
        elif kind == "function_call_output":
            content = _content(item.get("output"), "tool")
            messages.append({"role": "tool", "tool_call_id": _text_in(item, "call_id"), "content": content})
        elif kind == "item_reference":
            raise invalid("input", "The bridge stores no items; send each whole, which clients do with 'store': false.")
        elif kind != "reasoning":  # the model server has no use for it
            raise invalid("input", f"Items of the type '{str(kind)[:40]}' are not supported.")
    return messages


def _message(item: Json) -> Json:
    role = item.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise invalid("input", f"The 'role' of a message must be one of {', '.join(_ROLES)}.")
    return {"role": _ROLES[role], "content": _content(item.get("content"), role)}


def _add_call(messages: list[Json], item: Json) -> None:
    """Add a call of a function to the assistant's message before it, if there is one."""
    function = {"name": _text_in(item, "name"), "arguments": _text_in(item, "arguments")}
    call = {"id": _text_in(item, "call_id"), "type": "function", "function": function}
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    messages[-1].setdefault("tool_calls", []).append(call)


def _content(content: Any, role: str) -> Any:
    """Return content of a chat message: text if possible, since not all chat templates know lists."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise invalid("input", "The content of an item must be text, or a list of parts.")
    parts = [_part(part) for part in content]
    if role != "user" or all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts if part["type"] == "text")
    return parts


def _part(part: Json) -> Json:
    kind = part.get("type")
    if kind in _TEXT_PARTS:
        return {"type": "text", "text": _text_in(part, _TEXT_PARTS[kind])}
    if kind == "input_audio":
        return {"type": "input_audio", "input_audio": part.get("input_audio")}
    if kind == "input_image" and part.get("image_url"):
        detail = {"detail": part["detail"]} if part.get("detail") else {}
        return {"type": "image_url", "image_url": {"url": part["image_url"], **detail}}
    if kind == "input_file" and part.get("file_data"):
        return {"type": "file", "file": {name: part[name] for name in ("file_data", "filename") if part.get(name)}}
    if kind in {"input_image", "input_file"}:
        raise invalid("input", f"The {kind} part requires its data: the bridge stores no files, and fetches none.")
    raise invalid("input", f"Parts of the type '{str(kind)[:40]}' are not supported.")


def _text_in(item: Json, name: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise invalid("input", f"The {str(item.get('type'))[:40]} requires the text '{name}'.")
    return value


def _merged_system(messages: list[Json]) -> list[Json]:
    """Join the system messages at the start: many chat templates render only the first."""
    system: list[str] = []
    while messages and messages[0]["role"] == "system":
        system.append(messages.pop(0)["content"])
    return [{"role": "system", "content": "\n\n".join(system)}, *messages] if system else messages


def _response_format(wanted: Any) -> Json | None:
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or wanted.get("type") not in _FORMATS:
        raise invalid("text", f"'text.format' must be an object with one of the types {', '.join(_FORMATS)}.")
    if wanted["type"] == "text":
        return None
    if wanted["type"] == "json_object":
        return {"type": "json_object"}
    members = ("name", "description", "schema", "strict")
    schema = {name: wanted[name] for name in members if wanted.get(name) is not None}
    if not isinstance(schema.get("schema"), dict):
        raise invalid("text", "'text.format' requires a 'schema'.")
    return {"type": "json_schema", "json_schema": schema}


def _tools(tools: Any) -> list[Json]:
    if not isinstance(tools, list | None) or not all(isinstance(tool, dict) for tool in tools or []):
        raise invalid("tools", "'tools' must be a list of objects.")
    return [_tool(tool) for tool in tools or []]


def _tool(tool: Json) -> Json:
    if tool.get("type") != "function":
        raise invalid("tools", f"Only functions are available as tools, not '{str(tool.get('type'))[:40]}'.")
    members = ("name", "description", "parameters", "strict")
    return {"type": "function", "function": {name: tool[name] for name in members if tool.get(name) is not None}}


def _tool_choice(choice: Any) -> Any:
    if choice is None or choice in ("auto", "none", "required"):
        return choice
    if isinstance(choice, dict) and choice.get("type") == "function" and isinstance(choice.get("name"), str):
        return {"type": "function", "function": {"name": choice["name"]}}
    raise invalid("tool_choice", "'tool_choice' must be auto, none, required, or an object that names a function.")
