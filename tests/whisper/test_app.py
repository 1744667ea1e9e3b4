"""How the application is served."""

from __future__ import annotations

import asyncio
import logging

import pytest

from speechwhisper import app
from speechwhisper.api import server
from speechwhisper.settings import Settings
from whisper.conftest import eventually
from whisper.scripted import DEADLINE, ScriptedDecoder

pytestmark = pytest.mark.unit


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
