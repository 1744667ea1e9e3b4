"""`GET /load` and the header `Speech-Load`."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientError, FormData

from speechwhisper.api import load as load_route
from speechwhisper.service import SERVICE
from whisper import media
from whisper.conftest import Start, eventually
from whisper.scripted import DEADLINE, ScriptedDecoder, segment

if TYPE_CHECKING:
    from aiohttp import StreamReader, web

pytestmark = pytest.mark.unit

EVENTS = {"Accept": "text/event-stream"}
IDLE = {
    "held": 0,
    "waiting": 0,
    "working": 0,
    "slots": 2,
    "audio_seconds_waiting": 0.0,
    "audio_seconds_working": 0.0,
    "audio_seconds_per_second": 0.0,
    "oldest_wait_seconds": 0.0,
}
HEADER = re.compile(
    r"held=0, waiting=\d+, working=\d+, slots=1, audio_seconds_waiting=\d+\.\d+, audio_seconds_working=\d+\.\d+, "
    r"audio_seconds_per_second=\d+\.\d+, oldest_wait_seconds=\d+\.\d+"
)


def recording(field: str = "file", **fields: str) -> FormData:
    form = FormData()
    for name, value in fields.items():
        form.add_field(name, value)
    form.add_field(field, media.encode(media.tone(2)), filename="a.wav")
    return form


async def next_line(content: StreamReader) -> str:
    async with asyncio.timeout(DEADLINE):
        line = await content.readline()
        assert line in {b"", b"\n"} or await content.readline() == b"\n"
    return line.decode().rstrip("\n")


async def next_event(content: StreamReader) -> dict[str, float]:
    event: dict[str, float] = json.loads((await next_line(content)).removeprefix("data: "))
    return event


async def test_it_is_a_json_object(start: Start) -> None:
    client = await start(whisper_concurrency=2)

    async with client.get("/load") as response:
        assert await response.json() == IDLE


async def test_events_tell_the_load_first_and_on_each_change(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_route, "_MIN_INTERVAL_S", 0.0)
    decoder = ScriptedDecoder([segment(" Hello.")], hold=True)
    client = await start(decoder, whisper_concurrency=2)

    async with client.get("/load", headers=EVENTS) as response:
        assert response.content_type == "text/event-stream"
        assert await next_event(response.content) == IDLE
        job = asyncio.create_task(
            client.post("/v1/audio/transcriptions", data=recording(), headers={"Speech-Audio-Seconds": "2.0"})
        )
        while (event := await next_event(response.content))["audio_seconds_working"] > 1.0:
            assert event["working"] == 1
        assert event["audio_seconds_working"] == 1.0
        decoder.go_on()
        while (event := await next_event(response.content))["working"]:
            assert event["audio_seconds_working"] <= 1.0

    assert (await job).status == 200
    assert event["audio_seconds_per_second"] > 0


async def test_changes_within_a_second_become_one_event(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    intervals: list[float] = []
    over = asyncio.Event()

    async def sleep(seconds: float) -> None:
        intervals.append(seconds)
        await over.wait()

    monkeypatch.setattr(load_route, "asyncio", SimpleNamespace(sleep=sleep, timeout=asyncio.timeout))
    client = await start(whisper_concurrency=2)
    slots = client.server.app[SERVICE].slots

    async with client.get("/load", headers=EVENTS) as response:
        assert await next_event(response.content) == IDLE
        await slots.acquire()
        async with client.get("/livez"):
            await slots.acquire()
        over.set()

        assert (await next_event(response.content))["working"] == 2
    assert set(intervals) == {1.0}


async def test_a_stream_without_a_change_has_a_comment_now_and_then(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_route, "_MIN_INTERVAL_S", 0.0)
    monkeypatch.setattr(load_route, "_KEEP_ALIVE_S", 0.01)
    client = await start()

    async with client.get("/load", headers=EVENTS) as response:
        await next_event(response.content)

        assert [await next_line(response.content) for _ in range(2)] == [": keep-alive"] * 2


async def test_a_client_that_has_just_disconnected_is_no_error_of_the_server(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "speechwhisper")
    send = load_route.send

    async def send_after_a_reset(request: web.Request, response: web.StreamResponse, data: bytes) -> None:
        assert request.transport is not None
        request.transport.abort()  # aiohttp learns of it only in the next iteration of the event loop
        await send(request, response, data)

    monkeypatch.setattr(load_route, "send", send_after_a_reset)
    client = await start()

    async with client.get("/load", headers=EVENTS) as response:
        with pytest.raises(ClientError):
            await response.read()
    await eventually(lambda: "request" in caplog.messages)

    (request,) = [record for record in caplog.records if record.message == "request"]
    assert vars(request)["fields"]["outcome"] == "cancelled"
    assert not [record for record in caplog.records if record.exc_info]


async def test_streams_end_when_the_server_stops_and_new_ones_are_refused(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_route, "_MIN_INTERVAL_S", 0.0)
    client = await start()

    async with client.get("/load", headers=EVENTS) as response:
        await next_event(response.content)
        client.server.app[SERVICE].slots.close()
        assert await next_line(response.content) == ""

    async with client.get("/load", headers=EVENTS) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
    async with client.get("/load") as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/livez", 200),
        ("GET", "/readyz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/load", 200),
        ("GET", "/v1/models", 200),
        ("GET", "/v1/models/huge", 404),
        ("GET", "/nowhere", 404),
        ("POST", "/livez", 405),
        ("POST", "/asr", 400),
    ],
)
async def test_every_response_has_the_header(start: Start, method: str, path: str, status: int) -> None:
    client = await start()

    async with client.request(method, path) as response:
        assert response.status == status
        assert HEADER.fullmatch(response.headers["Speech-Load"])


async def test_an_expectation_that_cannot_be_met_has_the_header_too(start: Start) -> None:
    client = await start()

    async with client.get("/livez", headers={"Expect": "a miracle"}) as response:
        assert response.status == 417
        assert HEADER.fullmatch(response.headers["Speech-Load"])


@pytest.mark.parametrize("stream", ["true", "false"])
async def test_a_transcript_has_the_header_and_the_speed_is_known_after_it(start: Start, stream: str) -> None:
    client = await start(ScriptedDecoder([segment(" Hello.")]))

    async with client.post("/v1/audio/transcriptions", data=recording(stream=stream)) as response:
        await response.read()
        assert HEADER.fullmatch(response.headers["Speech-Load"])

    await eventually(lambda: client.server.app[SERVICE].slots.busy == 0)
    async with client.get("/load") as response:
        assert (await response.json())["audio_seconds_per_second"] > 0
