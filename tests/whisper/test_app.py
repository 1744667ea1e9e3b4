"""How the application is served."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import FormData

from speechwhisper import app
from speechwhisper.api import server
from speechwhisper.service import SERVICE
from speechwhisper.settings import Settings
from whisper import media
from whisper.conftest import eventually, session
from whisper.scripted import DEADLINE, ScriptedDecoder, segment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.unit


@asynccontextmanager
async def serving(
    decoder: ScriptedDecoder, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[tuple[str, asyncio.Task[bool]]]:
    """Yield the address of a running server, and the task that serves."""
    caplog.set_level(logging.INFO, "speechwhisper")
    stop = asyncio.Event()
    application = app.build(Settings(server_host="127.0.0.1", server_port=0), decoder)
    task = asyncio.create_task(app.serve(application, stop))
    await eventually(lambda: "listening" in caplog.messages)
    (record,) = [record for record in caplog.records if record.message == "listening"]
    yield f"http://127.0.0.1:{vars(record)['fields']['port']}", task
    stop.set()
    await task


@pytest.mark.parametrize("stream", ["false", "true"])
async def test_a_server_whose_device_breaks_ends_after_its_requests_got_their_error(
    stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    decoder = ScriptedDecoder([segment(" Hello.")], hold=True)
    async with serving(decoder, caplog) as (url, task), session(url) as http:
        form = FormData({"stream": stream})
        form.add_field("file", media.encode(media.tone(1)), filename="a.wav")
        request = asyncio.create_task(http.post("/v1/audio/transcriptions", data=form))
        await eventually(decoder.started.is_set)

        decoder.breaks()

        async with asyncio.timeout(DEADLINE), await request as response:
            said = await response.text()
        assert '"code": "broken"' in said
        assert "failed 3 times in a row. The server restarts." in said
        if stream == "false":
            assert (response.status, response.headers["Retry-After"]) == (503, "1")
        async with asyncio.timeout(DEADLINE):
            assert not await task


async def test_an_idle_connection_is_closed_after_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "_KEEPALIVE_S", 0.01)
    caplog.set_level(logging.INFO, "speechwhisper")
    stop = asyncio.Event()
    serving = asyncio.create_task(app.serve(app.build(Settings(server_port=0), ScriptedDecoder()), stop))
    await eventually(lambda: "listening" in caplog.messages)
    (record,) = [record for record in caplog.records if record.message == "listening"]

    reader, writer = await asyncio.open_connection("127.0.0.1", vars(record)["fields"]["port"])
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(DEADLINE):
        assert (await reader.read()).endswith(b"OK")  # to the end of the connection

    writer.close()
    stop.set()
    assert await serving


@pytest.mark.parametrize("stream", ["false", "true"])
async def test_a_server_that_stops_first_sends_its_responses_to_the_end(
    stream: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app, "_CANCEL_AFTER_S", 0.0)
    decoder = ScriptedDecoder([segment("w" * 40_000, float(second)) for second in range(400)])
    caplog.set_level(logging.INFO, "speechwhisper")
    stop = asyncio.Event()
    application = app.build(Settings(server_host="127.0.0.1", server_port=0), decoder)
    task = asyncio.create_task(app.serve(application, stop))
    await eventually(lambda: "listening" in caplog.messages)
    (record,) = [record for record in caplog.records if record.message == "listening"]
    form = FormData({"stream": stream, "response_format": "json"})
    form.add_field("file", media.encode(media.tone(1)), filename="a.wav")

    async with (
        session(f"http://127.0.0.1:{vars(record)['fields']['port']}") as http,
        asyncio.timeout(DEADLINE),
        http.post("/v1/audio/transcriptions", data=form) as response,  # its body, 16 MB, is not read yet
    ):
        await eventually(lambda: application[SERVICE].slots.busy == 0)
        stop.set()
        await eventually(lambda: "stopping" in caplog.messages)
        assert "stopped" not in caplog.messages
        body = await response.read()

    assert body.count(b"w" * 40_000) >= 400
    assert await task
    assert "stopped" in caplog.messages
