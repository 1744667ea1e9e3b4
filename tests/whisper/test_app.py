"""How the application is served."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from aiohttp import FormData, web

from speechwhisper import app
from speechwhisper.api import server as api_server
from speechwhisper.service import SERVICE
from speechwhisper.settings import Settings
from whisper import media
from whisper.conftest import eventually, session
from whisper.scripted import DEADLINE, ScriptedDecoder, segment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.unit


@dataclass(frozen=True)
class Server:
    """A running server: its address, the application, the task that serves, and what ends it."""

    url: str
    application: web.Application
    task: asyncio.Task[bool]
    stop: asyncio.Event


@asynccontextmanager
async def serving(decoder: ScriptedDecoder, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Server]:
    """Yield a running server; afterwards it is stopped."""
    caplog.set_level(logging.INFO, "speechwhisper")
    stop = asyncio.Event()
    application = app.build(Settings(server_host="127.0.0.1", server_port=0), decoder)
    task = asyncio.create_task(app.serve(application, stop))
    await eventually(lambda: "listening" in caplog.messages)
    (record,) = [record for record in caplog.records if record.message == "listening"]
    yield Server(f"http://127.0.0.1:{vars(record)['fields']['port']}", application, task, stop)
    stop.set()
    await task


@pytest.mark.parametrize("stream", ["false", "true"])
async def test_a_server_whose_device_breaks_ends_after_its_requests_got_their_error(
    stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    decoder = ScriptedDecoder([segment(" Hello.")], hold=True)
    async with serving(decoder, caplog) as server, session(server.url) as http:
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
            assert not await server.task


async def test_an_idle_connection_is_closed_after_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(api_server, "_KEEPALIVE_S", 0.01)
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
    form = FormData({"stream": stream, "response_format": "json"})
    form.add_field("file", media.encode(media.tone(1)), filename="a.wav")

    async with (
        serving(decoder, caplog) as server,
        session(server.url) as http,
        asyncio.timeout(DEADLINE),
        http.post("/v1/audio/transcriptions", data=form) as response,  # its body, 16 MB, is not read yet
    ):
        await eventually(lambda: server.application[SERVICE].slots.busy == 0)
        server.stop.set()
        await eventually(lambda: "stopping" in caplog.messages)
        assert "stopped" not in caplog.messages
        body = await response.read()

    assert body.count(b"w" * 40_000) >= 400
    assert await server.task
    assert "stopped" in caplog.messages
