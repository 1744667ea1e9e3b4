"""Requests that wait for a slot: who waits, who is refused, what is read meanwhile, and what frees a slot."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import FormData

from speechwhisper.api import outbox
from speechwhisper.service import SERVICE
from whisper import media
from whisper.conftest import Start, eventually
from whisper.scripted import DEADLINE, ScriptedDecoder, segment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientResponse
    from aiohttp.test_utils import TestClient

    from speechwhisper.admission.load import Load

pytestmark = pytest.mark.unit

WAV = media.encode(media.tone(1))
RAW = media.tone(1).tobytes()

HEAD = (
    b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: 10000000\r\n"
)


def recording(field: str = "audio_file", content: bytes = WAV) -> FormData:
    form = FormData()
    form.add_field(field, content, filename="a.wav")
    return form


def load(client: TestClient) -> Load:
    return client.server.app[SERVICE].slots.load()


@asynccontextmanager
async def held(
    start: Start, *, position: float = 1.0, **settings: object
) -> AsyncIterator[tuple[TestClient, ScriptedDecoder]]:
    """A server whose only slot is in use, and at this position, until the decoder may go on; the job must succeed."""
    decoder = ScriptedDecoder([segment(" Hello.", 0.0, position)], hold=True)
    client = await start(decoder, **settings)
    running = asyncio.create_task(client.post("/asr", data=recording(), headers={"Speech-Audio-Seconds": "1"}))
    await eventually(decoder.started.is_set)
    await eventually(lambda: load(client).audio_seconds_working == max(0.0, 1.0 - position))
    yield client, decoder
    decoder.go_on()
    assert (await running).status == 200
    await eventually(lambda: load(client).waiting == load(client).working == 0)


async def waits(client: TestClient, path: str, **arguments: Any) -> asyncio.Task[ClientResponse]:
    before = load(client).waiting
    task = asyncio.create_task(client.post(path, **arguments))
    await eventually(lambda: load(client).waiting == before + 1)
    return task


def asking_for_a_stream() -> bytes:
    body, headers = media.multipart(media.field_part("stream", b"true"), media.file_part(WAV, field="file"))
    boundary = headers["Content-Type"].split("; ")[1].encode()
    head = HEAD.replace(b"boundary=b", boundary).replace(b"10000000", str(len(body)).encode())
    return head + b"\r\n" + body


@asynccontextmanager
async def connected(
    client: TestClient, head: bytes
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which a request was sent, or its beginning."""
    reader, writer = await asyncio.open_connection(client.host, client.port, limit=2**16)
    try:
        writer.write(head)
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("expect100", [True, False], ids=["asks first", "sends at once"])
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/asr", "audio_file"),
        ("/detect-language", "audio_file"),
        ("/v1/audio/transcriptions", "file"),
        ("/v1/audio/translations", "file"),
    ],
)
async def test_every_upload_waits_for_its_turn(start: Start, path: str, field: str, *, expect100: bool) -> None:
    async with held(start) as (client, decoder):
        waiting = await waits(client, path, data=recording(field), expect100=expect100)

        decoder.go_on()

        assert (await waiting).status == 200


async def test_bazarr_with_two_jobs_at_once_gets_answers_to_both(start: Start) -> None:
    async with held(start) as (client, decoder):
        data = {"data": recording(content=RAW)}
        detection = await waits(client, "/detect-language", params={"encode": "false"}, **data)
        decoder.go_on()
        language = (await (await detection).json())["language_code"]
        query = {"task": "transcribe", "language": language, "output": "srt", "encode": "false"}
        async with client.post("/asr", params=query, data=recording(content=RAW)) as response:
            subtitles = await response.text()

    assert language == "de"
    assert subtitles == "1\n00:00:00,000 --> 00:00:01,000\nHello.\n\n"


async def test_continue_is_said_once_the_request_has_a_slot(start: Start) -> None:
    async with (
        held(start) as (client, decoder),
        connected(client, HEAD + b"Expect: 100-continue\r\n\r\n") as (first, _),
    ):
        await eventually(lambda: load(client).waiting == 1)
        async with client.get("/livez"):
            assert not first._buffer  # type: ignore[attr-defined]  # nothing has arrived

        decoder.go_on()

        assert await first.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_the_body_of_a_waiting_request_is_not_read(start: Start) -> None:
    async with held(start) as (client, _), connected(client, HEAD + b"\r\n") as (_, writer):
        await eventually(lambda: load(client).waiting == 1)

        writer.write(bytes(9_000_000))
        connections = client.server.runner.server.connections
        await eventually(lambda: any(connection._reading_paused for connection in connections))

        assert load(client).waiting == 1


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"], ids=["sends at once", "asks first"])
async def test_a_client_that_disconnects_leaves_the_queue(start: Start, expect: bytes) -> None:
    async with held(start) as (client, _):
        async with connected(client, HEAD + expect + b"\r\n"):
            await eventually(lambda: load(client).waiting == 1)

        await eventually(lambda: load(client).waiting == 0)


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"], ids=["sends at once", "asks first"])
async def test_beyond_the_bounds_a_request_is_refused_before_its_body(
    start: Start, expect: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "speechwhisper")
    async with held(start, whisper_queue=1) as (client, _):
        await waits(client, "/asr", data=recording())

        async with connected(client, HEAD + expect + b"\r\n") as (reader, _):
            answer = (await reader.readuntil(b"\r\n\r\n")).decode()

        async with client.get("/metrics") as metrics:
            assert 'requests_total{outcome="busy",route="/v1/audio/transcriptions"} 1.0' in await metrics.text()

    assert answer.startswith("HTTP/1.1 503")
    assert "Retry-After: 1\r\n" in answer
    assert "Speech-Load: held=0, waiting=1, working=1, slots=1, " in answer
    assert "busy" in [vars(record).get("fields", {}).get("outcome") for record in caplog.records]


async def test_the_queue_is_bounded_in_seconds_of_audio(start: Start) -> None:
    async with held(start, position=0.0, whisper_queue_audio_seconds=100.0) as (client, _):
        await waits(client, "/asr", data=recording(), headers={"Speech-Audio-Seconds": "90"})

        async with client.post("/asr", data=recording(), headers={"Speech-Audio-Seconds": "20"}) as response:
            assert response.status == 503
            assert response.headers["Retry-After"] == "23"  # 1 s that runs and 90 s, at an assumed speed of 4


async def test_a_mistake_in_the_query_is_answered_without_waiting(start: Start) -> None:
    async with (
        held(start) as (client, _),
        client.post("/asr", params={"output": "pdf"}, data=recording(), expect100=True) as response,
    ):
        assert response.status == 400


async def test_a_stopping_server_refuses_what_waits_and_finishes_what_runs(start: Start) -> None:
    async with held(start) as (client, _):
        waiting = [await waits(client, "/asr", data=recording(), expect100=expect) for expect in (True, False)]

        client.server.app[SERVICE].slots.close()

        for response in await asyncio.gather(*waiting):
            assert (response.status, response.headers["Retry-After"]) == (503, "1")


async def test_the_announced_seconds_count_until_the_duration_is_known(start: Start) -> None:
    async with held(start, position=0.25, max_audio_seconds=1000.0) as (client, _):
        assert load(client).audio_seconds_working == 0.75
        await waits(client, "/asr", data=recording(), headers={"Speech-Audio-Seconds": "12.5"})
        await waits(client, "/asr", data=recording(), headers={"Speech-Audio-Seconds": "5000"})

        assert load(client).audio_seconds_waiting == 1012.5


async def test_separate_channels_count_each(start: Start) -> None:
    async with held(start) as (client, _):
        separate = {"channels": "separate"}
        headers = {"Speech-Audio-Seconds": "10"}
        await waits(client, "/asr", params=separate, data=recording(), headers=headers)
        assert load(client).audio_seconds_waiting == 20
        await waits(client, "/asr", params={**separate, "encode": "false"}, data=recording(), headers=headers)

        assert load(client).audio_seconds_waiting == 30  # raw audio is mono


@pytest.mark.parametrize(("channels", "seconds"), [("separate", 30.0), ("mixed", 10.0)])
@pytest.mark.parametrize("before", [True, False])
async def test_the_file_tells_how_many_channels_count(
    start: Start, channels: str, seconds: float, *, before: bool
) -> None:
    decoder = ScriptedDecoder([segment(" Hello.", 0.0, 0.0)], hold=True)
    client = await start(decoder)
    file = media.file_part(media.channels([media.tone(1)] * 3), field="file")
    field = media.field_part("channels", channels.encode())
    body, headers = media.multipart(*([field, file] if before else [file, field]))

    running = asyncio.create_task(
        client.post("/v1/audio/transcriptions", data=body, headers={**headers, "Speech-Audio-Seconds": "10"})
    )

    await eventually(decoder.started.is_set)
    await eventually(lambda: load(client).audio_seconds_working == seconds)
    decoder.go_on()
    assert (await running).status == 200


async def test_metrics_tell_who_waits(start: Start) -> None:
    async with held(start) as (client, _):
        await waits(client, "/asr", data=recording(), headers={"Speech-Audio-Seconds": "12.5"})

        async with client.get("/metrics") as response:
            lines = dict(line.rsplit(" ", 1) for line in (await response.text()).splitlines() if line[0] != "#")

    assert lines["speechwhisper_requests_waiting"] == "1.0"
    assert lines["speechwhisper_audio_waiting_seconds"] == "12.5"
    assert 0 < float(lines["speechwhisper_oldest_wait_seconds"]) < DEADLINE


LONG = [segment(" word" * 6_000, number, number + 1.0) for number in range(100)]
"""A transcript of 3 MB, which is sent four times over: more than the buffers of a connection hold."""

END = b"\r\n0\r\n\r\n"
"""Of a chunked body."""


async def test_a_client_that_does_not_read_holds_no_slot_once_everything_is_decoded(start: Start) -> None:
    client = await start(ScriptedDecoder(LONG))

    async with connected(client, asking_for_a_stream()) as (reader, _):
        await reader.readuntil(b"\r\n\r\n")
        await eventually(lambda: load(client).working == 0)

        rest = await _rest(reader)

    assert b"transcript.text.done" in rest
    assert rest.endswith(END)


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """Read to the end of a chunked body, or of the connection."""
    received = bytearray()
    while not received.endswith(END):
        chunk = await reader.read(2**20)
        if not chunk:
            break
        received += chunk
    return bytes(received)


async def test_a_client_that_does_not_read_is_disconnected(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "speechwhisper")
    monkeypatch.setattr(outbox, "_SEND_TIMEOUT_S", 0.05)
    client = await start(ScriptedDecoder(LONG))

    async with connected(client, asking_for_a_stream()) as (reader, _):
        await reader.readuntil(b"\r\n\r\n")
        await eventually(lambda: "connection closed: the client does not read" in caplog.messages)

        assert not (await _rest(reader)).endswith(END)

    await eventually(lambda: load(client).working == 0)
