"""An event stream leaves no task behind, and a client that leaves it is no failure of the bridge."""

import asyncio

import aiohttp
import pytest

from bridge.running import Bridge, form
from speechbridge.api.event_stream import EventStream

pytestmark = pytest.mark.unit

CHAT = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}
PATHS = ["/process", "/v1/audio/transcriptions", "/v1/chat/completions"]


def keepers() -> list[str]:
    return [text for task in asyncio.all_tasks() if "EventStream._keep_alive" in (text := repr(task.get_coro()))]


def body_for(path: str) -> dict[str, object]:
    return {"json": CHAT} if path.endswith("completions") else {"data": form(b"", stream="true")}


@pytest.mark.parametrize("path", PATHS)
async def test_no_keep_alive_outlives_its_answer(streaming_bridge: Bridge, path: str) -> None:
    async with streaming_bridge.client.post(path, **body_for(path)) as response:
        assert response.content_type == "text/event-stream"
        await response.read()

    async with asyncio.timeout(5):
        while keepers():  # noqa: ASYNC110 - it is watched from outside
            await asyncio.sleep(0)


@pytest.mark.parametrize("path", PATHS)
async def test_a_client_that_has_just_disconnected_is_no_failure(
    streaming_bridge: Bridge, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    send = EventStream.send

    async def send_after_a_reset(stream: EventStream, data: bytes) -> None:
        assert stream._request.transport is not None
        stream._request.transport.abort()  # aiohttp learns of it only in the next iteration of the event loop
        await send(stream, data)

    monkeypatch.setattr(EventStream, "send", send_after_a_reset)

    with pytest.raises(aiohttp.ClientError):
        await streaming_bridge.client.post(path, **body_for(path))
    await streaming_bridge.until(lambda: "request" in caplog.messages)

    (request,) = [vars(record)["fields"] for record in caplog.records if record.message == "request"]
    assert (request["status"], request["outcome"]) == (499, "cancelled")
    assert not [record for record in caplog.records if record.exc_info]
