"""Requests to /v1/chat/completions."""

import base64
import json
from typing import Any

from bridge.running import WAV, Bridge

Json = dict[str, Any]
BASE64 = base64.b64encode(WAV).decode()
CHAT: Json = {"messages": [{"role": "user", "content": "Hello"}]}


def asked(*parts: Json, **members: Any) -> Json:
    """A chat with one message of these parts."""
    return {"messages": [{"role": "user", "content": list(parts)}], **members}


def input_audio(data: object, **more: object) -> Json:
    return {"type": "input_audio", "input_audio": {"data": data, **more}}


async def chat(bridge: Bridge, body: Json) -> tuple[int, Json]:
    """Send a chat that does not stream; return status and answer."""
    async with bridge.client.post("/v1/chat/completions", json=body) as response:
        return response.status, json.loads(await response.read())
