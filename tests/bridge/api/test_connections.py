"""Limits on connections: slow heads, idle ones, clients that do not read, and too many of them."""

import gc
import weakref
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.running import WAV, Bridge, StartBridge, form
from bridge.wire import Connection, head, multipart, part
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.transcripts import Segment, Transcript
from fakes.whisper import FakeAsrWebservice
from speechbridge.api.connections import ConnectionLimits, ConnectionWatch
from speechbridge.telemetry.metrics import Metrics

if TYPE_CHECKING:
    import asyncio

pytestmark = pytest.mark.unit

HALF_A_HEAD = b"GET /health HTTP/1.1\r\nHost: bridge\r\nX-Slow: "
GET = b"GET /health HTTP/1.1\r\nHost: bridge\r\n\r\n"
LIMITS = ConnectionLimits(connections=2, head_timeout=10, idle_timeout=75, write_timeout=30)


class Client:
    """A connection as the watch sees it, and its transport."""

    def __init__(self, *, head_since: float | None = None, unsent: int = 0, idle: bool = False) -> None:
        self.head_since = head_since
        self.unsent = unsent
        self.written = unsent
        self.idle = idle
        self.ended = ""

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.ended = "aborted"

    def force_close(self) -> None:
        self.ended = "closed"


def watch_of(*clients: Client) -> ConnectionWatch:
    pairs = [(client, cast("asyncio.Transport", client)) for client in clients]
    return ConnectionWatch(LIMITS, lambda: pairs, Metrics())


def test_a_head_may_take_its_time_but_no_longer() -> None:
    slow, none = Client(head_since=100.0), Client()
    watch = watch_of(slow, none)

    watch.look(109.0)
    assert slow.ended == ""
    watch.look(111.0)

    assert (slow.ended, none.ended) == ("aborted", "")


def test_a_client_that_reads_nothing_is_cut_off_although_more_is_written() -> None:
    client = Client(unsent=1000)
    watch = watch_of(client)
    for now in range(0, 31, 10):
        watch.look(float(now))
        client.unsent += 50
        client.written += 50
    assert client.ended == ""

    watch.look(31.0)

    assert client.ended == "aborted"


def test_a_client_that_reads_slowly_is_left_alone() -> None:
    client = Client(unsent=1000)
    watch = watch_of(client)
    for now in range(0, 200, 10):
        watch.look(float(now))
        client.unsent -= 1

    assert client.ended == ""


def test_a_client_that_reads_more_slowly_than_is_written_is_left_alone() -> None:
    client = Client(unsent=1000)
    watch = watch_of(client)
    for now in range(0, 200, 10):
        watch.look(float(now))
        client.written += 50
        client.unsent += 49

    assert client.ended == ""


def test_the_oldest_idle_connection_makes_room() -> None:
    busy, old, new = Client(), Client(idle=True), Client(idle=True)
    watch = watch_of(busy, old, new)

    assert watch.make_room(1)
    assert old.ended == ""
    assert watch.make_room(2)
    assert (busy.ended, old.ended, new.ended) == ("", "closed", "")


def test_without_an_idle_connection_there_is_no_room() -> None:
    assert not watch_of(Client(), Client()).make_room(2)


# Over TCP.


async def closed(bridge: Bridge) -> dict[str, float]:
    async with bridge.client.get("/metrics") as response:
        families = list(text_string_to_metric_families(await response.text()))
    name = "speechbridge_client_connections_closed_total"
    return {
        sample.labels["reason"]: sample.value for item in families for sample in item.samples if sample.name == name
    }


async def start(start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama, **settings: Any) -> Bridge:
    return await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, **settings)


@pytest.mark.parametrize("before", [b"", GET], ids=["first request", "later request"])
async def test_a_head_that_does_not_end_is_cut_off(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama, before: bytes
) -> None:
    bridge = await start(start_bridge, asr, ollama, client_head_timeout=0.1)

    async with Connection.to(bridge.url) as connection:
        if before:
            await connection.send(before)
            assert (await connection.reply()).status == 200
        await connection.send(HALF_A_HEAD)
        assert await connection.ended() == b""

    assert await closed(bridge) == {"slow_head": 1}


async def test_a_slow_body_is_no_slow_head(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start(start_bridge, asr, ollama, client_head_timeout=0.1)
    body = multipart(part("file", WAV, filename="a.wav"))
    gate = asr.hold(Point.BEFORE_ANSWER)

    async with Connection.to(bridge.url) as connection, Connection.to(bridge.url) as slow:
        await connection.send(head("/process", length=len(body)), body[:100])
        await bridge.until(lambda: bridge.service.admission.arriving == 1)
        await slow.send(HALF_A_HEAD)
        assert await slow.ended() == b""
        await connection.send(body[100:])
        await gate.reached()
        gate.release()
        reply = await connection.reply()

    assert reply.status == 200


async def test_an_idle_connection_is_closed(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start(start_bridge, asr, ollama, client_idle_timeout=0.1)

    async with Connection.to(bridge.url) as connection:
        await connection.send(GET)
        assert (await connection.reply()).status == 200
        assert await connection.ended() == b""


async def test_at_the_limit_idle_connections_are_closed_for_new_ones_and_busy_ones_are_not(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start(start_bridge, asr, ollama, max_connections=2)
    body = multipart(part("file", WAV, filename="a.wav"))
    gate = asr.hold(Point.BEFORE_ANSWER)

    async with Connection.to(bridge.url) as busy, Connection.to(bridge.url) as idle:
        await busy.send(head("/process", length=len(body)), body)
        await gate.reached()
        await idle.send(GET)
        await idle.reply()
        async with Connection.to(bridge.url) as new:
            assert await idle.ended() == b""
            await new.send(head("/process", length=len(body)), body[:100])
            await bridge.until(lambda: bridge.service.admission.arriving == 1)
            async with Connection.to(bridge.url) as refused:
                reply = await refused.reply()
                assert await refused.ended() == b""
        gate.release()
        answered = await busy.reply()

    assert (reply.status, reply.headers["retry-after"], answered.status) == (503, "1", 200)


async def test_a_connection_counts_what_all_its_responses_have_written(bridge: Bridge) -> None:
    received = 0
    async with Connection.to(bridge.url) as connection:
        for _ in range(3):
            await connection.send(GET)
            reply = await connection.reply()
            received += len(reply.body)
        server = cast("Any", bridge.runner.server)
        ((counted, _),) = server.open_connections()

    assert counted.written > received > 0


LONG = Transcript(tuple(Segment(float(n), n + 1.0, f" {'word ' * 400}") for n in range(4000)), duration=4000.0)


async def test_a_closed_connection_is_freed_without_the_garbage_collector(bridge: Bridge) -> None:
    server = bridge.runner.server
    assert server is not None
    async with aiohttp.ClientSession() as client, client.get(f"{bridge.url}/livez") as response:
        await response.read()
        (connection,) = server.connections
        freed = weakref.ref(connection)
        del connection
        gc.disable()
    try:
        await bridge.until(lambda: freed() is None)
    finally:
        gc.enable()


async def test_a_client_that_reads_nothing_is_cut_off_and_releases_its_pod(
    start_bridge: StartBridge, ollama: FakeOllama
) -> None:
    async with FakeSpeechWhisper(LONG) as whisper:
        bridge = await start_bridge(
            whisper_url=whisper.url, ollama_url=ollama.url, transcriber="openai", client_write_timeout=0.2
        )
        body = multipart(part("stream", "true"), part("file", WAV, filename="a.wav"))
        async with Connection.to(bridge.url) as connection:
            connection.pause()
            await connection.send(head("/process", length=len(body)), body)
            await bridge.until(lambda: bridge.service.admission.in_flight == 1)
            await bridge.until(lambda: bridge.service.admission.open == 0)

        assert await closed(bridge) == {"stalled": 1}


async def test_a_deadline_is_one_although_the_client_reads_nothing(
    start_bridge: StartBridge, ollama: FakeOllama, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeSpeechWhisper(LONG) as whisper:
        bridge = await start_bridge(
            whisper_url=whisper.url,
            ollama_url=ollama.url,
            transcriber="openai",
            request_timeout=0.3,
            client_write_timeout=1.0,
        )
        body = multipart(part("stream", "true"), part("file", WAV, filename="a.wav"))
        async with Connection.to(bridge.url) as connection:
            connection.pause()
            await connection.send(head("/process", length=len(body)), body)
            await bridge.until(lambda: bool(requests_in(caplog)))

    (line,) = requests_in(caplog)
    assert (line["outcome"], line["code"]) == ("deadline", "deadline_exceeded")


def requests_in(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The log lines of requests."""
    return [vars(record)["fields"] for record in caplog.records if record.getMessage() == "request"]


HOUR = Transcript(tuple(Segment(float(n), n + 1.0, " And so it went on.") for n in range(3000)), duration=3000.0)


async def test_a_pod_does_not_wait_for_a_slow_reader(start_bridge: StartBridge, ollama: FakeOllama) -> None:
    async with FakeSpeechWhisper(HOUR) as whisper:
        bridge = await start_bridge(whisper_url=whisper.url, ollama_url=ollama.url, transcriber="openai")
        gate = ollama.hold(Point.BEFORE_ANSWER)
        async with bridge.client.post("/process", data=form(WAV, stream="true")) as response:
            await gate.reached()
            assert bridge.service.whisper.endpoints[0].outstanding == 0
            gate.release()
            assert b"response.done" in await response.read()
