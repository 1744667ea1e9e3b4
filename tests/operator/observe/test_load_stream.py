"""One stream of `/load`: what a pod sends is read within limits, whatever it is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from fakes import load
from fakes.faults import Answer, CutAnswer, Fault, Fragmented, Garbage, HangUp, html_page, refusing_url, status
from fakes.gates import Point
from fakes.load import COMMENT, FakeLoad
from speechoperator.observe import load_stream
from speechoperator.observe.egress import Egress, parse_networks
from speechoperator.observe.load_stream import (
    MAX_EVENT_BYTES,
    EventParser,
    LoadClient,
    LoadStreamError,
    NotReportedError,
)

pytestmark = pytest.mark.unit

DEADLINE_S = 10.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_stream, "_MIN_READ_INTERVAL_S", 0.0)


@pytest.fixture
async def pod() -> AsyncIterator[FakeLoad]:
    async with FakeLoad(load.WHISPER) as fake:
        yield fake


@pytest.fixture
async def client() -> AsyncIterator[LoadClient]:
    async with LoadClient(Egress(())) as one:
        yield one


async def read(client: LoadClient, url: str, count: int = 1000) -> list[Any]:
    """The first events of a stream."""
    found: list[Any] = []
    async with asyncio.timeout(DEADLINE_S), aclosing(client.events(url)) as events:
        async for event in events:
            found.append(event)
            if len(found) == count:
                break
    return found


def sends(pod: FakeLoad, *pieces: bytes) -> None:
    """Let its streams be these bytes, and then silence."""

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
        await asyncio.Event().wait()

    pod.pieces = body


async def test_it_yields_the_load_and_its_changes(pod: FakeLoad, client: LoadClient) -> None:
    async with asyncio.timeout(DEADLINE_S), aclosing(client.events(pod.url)) as events:
        assert await anext(events) == load.WHISPER
        pod.report(working=3)
        assert await anext(events) == {**load.WHISPER, "working": 3}
    assert pod.requests[0].headers["Accept"] == "text/event-stream"


async def test_a_comment_is_a_sign_of_life(pod: FakeLoad, client: LoadClient) -> None:
    sends(pod, COMMENT)
    assert await read(client, pod.url, 1) == [None]


async def test_events_in_any_pieces_are_read(pod: FakeLoad, client: LoadClient) -> None:
    pod.script(Fragmented(size=1))
    async with asyncio.timeout(DEADLINE_S), aclosing(client.events(pod.url)) as events:
        async for event in events:
            if event is not None:
                break
    assert event == load.WHISPER


async def test_of_many_events_at_once_only_the_latest_counts(pod: FakeLoad, client: LoadClient) -> None:
    sends(pod, b'data: {"working": 1}\n\ndata: {"working": 2}\r\n\r\n')
    assert await read(client, pod.url, 1) == [{"working": 2}]


@pytest.mark.parametrize("fault", [status(404), status(405), html_page(), Answer(body=b"{}")])
async def test_a_pod_without_such_a_stream_is_told_apart(pod: FakeLoad, client: LoadClient, fault: Fault) -> None:
    pod.script(fault)
    with pytest.raises(NotReportedError):
        await read(client, pod.url)


@pytest.mark.parametrize(
    "fault",
    [status(503), status(301), Garbage(), HangUp(), HangUp(reset=True), CutAnswer(after=3), CutAnswer(reset=False)],
    ids=str,
)
async def test_a_stream_that_breaks_is_an_error(pod: FakeLoad, client: LoadClient, fault: Fault) -> None:
    pod.always(fault)
    with pytest.raises(LoadStreamError):
        await read(client, pod.url)


@pytest.mark.parametrize(
    "data",
    [
        b"data: no JSON\n\n",
        b"data: 7\n\n",
        b"data: " + b"[" * (MAX_EVENT_BYTES - 100) + b"\n\n",
        b"data: \xff\n\n",
        b"data: " + b"x" * MAX_EVENT_BYTES + b"\n\n",
        b"data:\n" * MAX_EVENT_BYTES + b"\n",
        b"x" * 2 * MAX_EVENT_BYTES,
    ],
    ids=["text", "number", "nested", "no UTF-8", "a long line", "many lines", "no line"],
)
async def test_malformed_and_oversized_events_are_errors(pod: FakeLoad, client: LoadClient, data: bytes) -> None:
    sends(pod, data)
    with pytest.raises(LoadStreamError):
        await read(client, pod.url)


async def test_a_pod_that_says_nothing_is_an_error(
    pod: FakeLoad, client: LoadClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_stream, "_HEAD_TIMEOUT_S", 0.05)
    gate = pod.hold(Point.BEFORE_ANSWER)
    with pytest.raises(LoadStreamError, match="in time"):
        await read(client, pod.url)
    gate.release()


async def test_a_stream_that_falls_silent_is_an_error(pod: FakeLoad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_stream, "STALE_AFTER_S", 0.05)
    async with LoadClient(Egress(())) as client:
        with pytest.raises(LoadStreamError, match="in time"):
            await read(client, pod.url)


async def test_a_pod_that_is_not_there_is_an_error(client: LoadClient) -> None:
    with refusing_url() as url, pytest.raises(LoadStreamError):
        await read(client, url)


async def test_redirects_are_not_followed(pod: FakeLoad, client: LoadClient) -> None:
    pod.script(Answer(302, headers={"Location": "/load"}))
    with pytest.raises(LoadStreamError, match="302"):
        await read(client, pod.url)
    assert len(pod.requests) == 1


async def test_denied_addresses_are_not_connected_to(pod: FakeLoad) -> None:
    async with LoadClient(Egress(parse_networks("127.0.0.0/8"))) as client:
        with pytest.raises(LoadStreamError, match="URL_DENIED_NETWORKS"):
            await read(client, pod.url)
    assert pod.requests == []


async def test_an_endless_stream_is_read_at_a_limited_rate(pod: FakeLoad, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not read yet stays in the buffers of the connection, and then with the sender."""
    monkeypatch.setattr(load_stream, "_MIN_READ_INTERVAL_S", 3600.0)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield COMMENT

    pod.pieces = endless
    async with LoadClient(Egress(())) as client:
        events = client.events(pod.url)
        assert await anext(events) is None
        reading = asyncio.ensure_future(anext(events))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not reading.done(), "although more has arrived"
        reading.cancel()
        await asyncio.wait([reading])


def test_a_parser_keeps_no_more_than_an_event() -> None:
    parser: Callable[[bytes], list[bytes]] = EventParser().feed
    for _ in range(1000):
        assert parser(b'event: x\nid: 7\ndata: {"a":\ndata: 1}\n\n') == [b'{"a":\n1}']
