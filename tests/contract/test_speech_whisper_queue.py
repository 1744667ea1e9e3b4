"""The queue of our own Whisper server, and how it tells its load: FakeSpeechWhisper against speechwhisper."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import pytest
from aiohttp import ClientResponse, ClientSession
from yarl import URL

from contract.loads import DEADLINE_S, load, reaches
from contract.recordings import form
from contract.shapes import NUMBER, Exactly, assert_shape

LOAD = {
    "held": Exactly(0),
    "waiting": int,
    "working": int,
    "slots": Exactly(1),
    "audio_seconds_waiting": NUMBER,
    "audio_seconds_working": NUMBER,
    "audio_seconds_per_second": NUMBER,
    "oldest_wait_seconds": NUMBER,
}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
FOLLOW = {"Accept": "text/event-stream"}
ROOM = 64
"""Requests that may wait, by default."""


def told(answer: ClientResponse) -> dict[str, float]:
    """The members of Speech-Load."""
    items = (item.partition("=") for item in answer.headers["Speech-Load"].split(", "))
    return {name: float(value) if "." in value else int(value) for name, _, value in items}


class Conversation(NamedTuple):
    """What comes from the server, and how to hang up."""

    said: asyncio.StreamReader
    leave: Callable[[], None]


@asynccontextmanager
async def asking_first(url: str, *headers: str) -> AsyncIterator[Conversation]:
    """Ask whether a recording may be sent."""
    address = URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    lines = [
        "POST /v1/audio/transcriptions HTTP/1.1",
        "Host: whisper",
        "Expect: 100-continue",
        "Content-Type: multipart/form-data; boundary=b",
        "Content-Length: 1000",
        *headers,
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        await writer.drain()
        yield Conversation(reader, writer.close)
    finally:
        writer.close()


@asynccontextmanager
async def busy(http: ClientSession, url: str) -> AsyncIterator[Conversation]:
    """Hold the only slot; when the block ends, it is free again."""
    async with asking_first(url) as first:
        assert await first.said.readuntil(b"\r\n\r\n") == CONTINUE
        yield first
    await reaches(http, url, working=0)


async def test_load_is_an_object(speech_whisper: str, http: ClientSession) -> None:
    assert_shape(await load(http, speech_whisper), LOAD)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/livez"), ("GET", "/readyz"), ("GET", "/load"), ("GET", "/v1/models"), ("GET", "/v1/nothing")],
)
async def test_every_answer_tells_the_load(speech_whisper: str, http: ClientSession, method: str, path: str) -> None:
    answer = await http.request(method, f"{speech_whisper}{path}")

    assert_shape(told(answer), LOAD)


@pytest.mark.parametrize(("stream", "working"), [("true", 1), ("false", 0)])
async def test_a_transcript_tells_the_load_when_its_head_is_sent(
    speech_whisper: str, http: ClientSession, stream: str, working: int
) -> None:
    answer = await http.post(f"{speech_whisper}/v1/audio/transcriptions", data=form("file", stream=stream))
    await answer.read()

    assert_shape(told(answer), {**LOAD, "working": Exactly(working)})


async def test_a_refused_recording_tells_the_load(speech_whisper: str, http: ClientSession) -> None:
    answer = await http.post(f"{speech_whisper}/v1/audio/transcriptions", data=form("file", b"no audio"))

    assert answer.status == 400
    assert_shape(told(answer), LOAD)


async def test_continue_comes_when_it_is_the_requests_turn(speech_whisper: str, http: ClientSession) -> None:
    async with busy(http, speech_whisper) as first, asking_first(speech_whisper) as second:
        await reaches(http, speech_whisper, working=1, waiting=1)
        async with asking_first(speech_whisper) as third:
            await reaches(http, speech_whisper, working=1, waiting=2)

            first.leave()
            assert await second.said.readuntil(b"\r\n\r\n") == CONTINUE
            await reaches(http, speech_whisper, working=1, waiting=1)

            second.leave()
            assert await third.said.readuntil(b"\r\n\r\n") == CONTINUE
            third.leave()
            await reaches(http, speech_whisper, working=0, waiting=0)


async def test_a_request_that_does_not_ask_waits_as_well(speech_whisper: str, http: ClientSession) -> None:
    async with busy(http, speech_whisper) as first:
        second = asyncio.create_task(http.post(f"{speech_whisper}/v1/audio/transcriptions", data=form("file")))
        await reaches(http, speech_whisper, working=1, waiting=1)
        assert not second.done()

        first.leave()

        assert (await second).status == 200


async def test_a_request_that_leaves_is_no_longer_in_the_queue(speech_whisper: str, http: ClientSession) -> None:
    async with busy(http, speech_whisper), asking_first(speech_whisper) as second:
        await reaches(http, speech_whisper, waiting=1)

        second.leave()

        await reaches(http, speech_whisper, waiting=0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("12.5", 12.5), ("1000000", 14400.0), ("soon", None), ("-3", None), ("", None)],
)
async def test_the_announced_seconds_are_told_while_it_waits(
    speech_whisper: str, http: ClientSession, header: str, seconds: float | None
) -> None:
    async with busy(http, speech_whisper):
        unknown = await seconds_of_one_that_waits(http, speech_whisper)

        found = await seconds_of_one_that_waits(http, speech_whisper, f"Speech-Audio-Seconds: {header}")

    assert found == pytest.approx(unknown if seconds is None else seconds)


async def seconds_of_one_that_waits(http: ClientSession, url: str, *headers: str) -> float:
    async with asking_first(url, *headers) as second:
        seconds = (await reaches(http, url, waiting=1))["audio_seconds_waiting"]
        second.leave()
        await reaches(http, url, waiting=0)
    return seconds


async def test_the_wait_grows(speech_whisper: str, http: ClientSession) -> None:
    async with busy(http, speech_whisper), asking_first(speech_whisper):
        waited = (await reaches(http, speech_whisper, waiting=1))["oldest_wait_seconds"]

        async with asyncio.timeout(DEADLINE_S):
            while (await load(http, speech_whisper))["oldest_wait_seconds"] <= waited:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)


async def test_events_tell_the_load_first_and_on_each_change(speech_whisper: str, http: ClientSession) -> None:
    async with http.get(f"{speech_whisper}/load", headers=FOLLOW) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["X-Accel-Buffering"] == "no"
        assert_shape(await next_load(stream), {**LOAD, "working": Exactly(0)})

        async with busy(http, speech_whisper):
            assert_shape(await next_load(stream), {**LOAD, "working": Exactly(1)})
        assert_shape(await next_load(stream), {**LOAD, "working": Exactly(0)})


async def next_load(stream: ClientResponse) -> dict[str, float]:
    async with asyncio.timeout(DEADLINE_S):
        line = await stream.content.readline()
        assert await stream.content.readline() == b"\n"
    found: dict[str, float] = json.loads(line.removeprefix(b"data: "))
    return found


@pytest.mark.parametrize("expect100", [True, False], ids=["asks first", "sends at once"])
async def test_a_request_beyond_the_queue_is_refused(
    speech_whisper: str, http: ClientSession, *, expect100: bool
) -> None:
    async with AsyncExitStack() as clients:
        await clients.enter_async_context(busy(http, speech_whisper))
        for _ in range(ROOM):
            await clients.enter_async_context(asking_first(speech_whisper, "Speech-Audio-Seconds: 60"))
        await reaches(http, speech_whisper, waiting=ROOM)

        url = f"{speech_whisper}/v1/audio/transcriptions"
        answer = await http.post(url, data=form("file"), expect100=expect100)

        assert answer.status == 503
        assert 1 < int(answer.headers["Retry-After"]) <= 600
        assert_shape(told(answer), {**LOAD, "waiting": Exactly(ROOM)})
        assert (await answer.json())["error"]["code"] == "busy"
