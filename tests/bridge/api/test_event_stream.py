"""An event stream leaves no task behind."""

import asyncio

import pytest

from bridge.running import Bridge, form

pytestmark = pytest.mark.unit

CHAT = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}


def keepers() -> list[str]:
    return [text for task in asyncio.all_tasks() if "EventStream._keep_alive" in (text := repr(task.get_coro()))]


@pytest.mark.parametrize("path", ["/process", "/v1/audio/transcriptions", "/v1/chat/completions"])
async def test_no_keep_alive_outlives_its_answer(streaming_bridge: Bridge, path: str) -> None:
    body = {"json": CHAT} if path.endswith("completions") else {"data": form(b"", stream="true")}

    async with streaming_bridge.client.post(path, **body) as response:
        assert response.content_type == "text/event-stream"
        await response.read()

    async with asyncio.timeout(5):
        while keepers():  # noqa: ASYNC110 - it is watched from outside
            await asyncio.sleep(0)
