"""Reading a whole streamed answer."""

import json
from typing import Any

from aiohttp import ClientResponse


async def ndjson(answer: ClientResponse) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (await answer.text()).splitlines()]


async def sse(answer: ClientResponse) -> tuple[list[dict[str, Any]], bool]:
    """The events' JSON, and whether `[DONE]` closed them. Every event must be one `data:` line."""
    events = [event for event in (await answer.text()).split("\n\n") if event]
    assert all(event.startswith("data: ") and "\n" not in event for event in events), events
    datas = [event.removeprefix("data: ") for event in events]
    return [json.loads(data) for data in datas if data != "[DONE]"], datas[-1] == "[DONE]"
