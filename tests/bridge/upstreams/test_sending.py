"""A pod may answer while the request is still being sent to it; the test writes every byte of the pod."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bridge.wire import DEADLINE
from speechbridge.audio.port import RestartRequired
from speechbridge.upstreams.connection import Connection
from speechbridge.upstreams.discovery import origin_of
from speechbridge.upstreams.endpoint import Endpoint
from speechbridge.upstreams.failures import UpstreamError
from speechbridge.upstreams.sending import Sending

pytestmark = pytest.mark.unit

MIB = 2**20
BEGUN = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
END = b"6\r\nsecond\r\n0\r\n\r\n"
SIZE = 64 * MIB
"""More than the kernel buffers."""


class Pod:
    """Accepts one connection."""

    endpoint: Endpoint

    def __init__(self) -> None:
        self._accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        await self._accepted.put((reader, writer))

    async def request(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Wait for the head of a request; its body stays unread."""
        async with asyncio.timeout(DEADLINE):
            reader, writer = await self._accepted.get()
            await reader.readuntil(b"\r\n\r\n")
            return reader, writer

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@pytest.fixture
async def pod() -> AsyncIterator[Pod]:
    pod = Pod()
    listening = await asyncio.start_server(pod.accept, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    origin = origin_of(f"http://127.0.0.1:{port}")
    pod.endpoint = Endpoint(origin, "127.0.0.1", slots=None, connect_timeout=1, keepalive=4)
    yield pod
    pod.endpoint.close()
    pod.close()
    listening.close()


def begin(pod: Pod, connection: Connection) -> None:
    connection.send(pod.endpoint.head("POST", "/x", "", SIZE))
    connection.begin_body()


class Body:
    """A body of `SIZE` bytes."""

    def __init__(self, connection: Connection) -> None:
        self.sent = 0
        self._connection = connection

    async def __call__(self) -> None:
        while self.sent < SIZE:
            if self._connection.takes_no_more:
                return
            self._connection.send(bytes(MIB))
            self.sent += MIB
            if self._connection.congested:
                await self._connection.drain()
        self._connection.finish_body()


class Endless:
    """A body that never ends, unless it is cancelled."""

    cancelled = False

    async def __call__(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled = True


async def ask(pod: Pod, body: Callable[[Connection], Callable[[], Awaitable[None]]]) -> None:
    """Send a request and wait for the head of its response."""
    async with asyncio.timeout(DEADLINE), pod.endpoint.connection() as connection:
        begin(pod, connection)
        async with Sending(connection, body(connection)):
            await connection.response()


async def test_a_response_is_read_while_the_request_is_sent(pod: Pod) -> None:
    async with asyncio.timeout(DEADLINE), pod.endpoint.connection() as connection:
        begin(pod, connection)
        body = Body(connection)
        async with Sending(connection, body):
            reader, writer = await pod.request()
            writer.write(BEGUN)
            chunks = connection.chunks()
            first = await anext(chunks)
            sent_by_then = body.sent
            await reader.readexactly(SIZE)
            writer.write(END)
            rest = b"".join([chunk async for chunk in chunks])

    assert (first, rest) == (b"first", b"second")
    assert sent_by_then < body.sent == SIZE
    assert connection.reusable


async def test_nothing_accumulates_while_a_pod_that_has_begun_to_answer_reads_nothing(pod: Pod) -> None:
    async with asyncio.timeout(DEADLINE), pod.endpoint.connection() as connection:
        begin(pod, connection)
        while not connection.congested:
            connection.send(bytes(MIB))
        reader, writer = await pod.request()
        writer.write(BEGUN)
        assert await anext(connection.chunks()) == b"first"

        assert connection.congested
        draining = asyncio.create_task(connection.drain())
        while not draining.done():
            await reader.read(MIB)
        connection.abort()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK",
    ],
    ids=["rejected", "complete"],
)
async def test_a_pod_that_needs_no_more_gets_no_more(pod: Pod, answer: bytes) -> None:
    async with asyncio.timeout(DEADLINE), pod.endpoint.connection() as connection:
        begin(pod, connection)
        body = Body(connection)
        async with Sending(connection, body):
            _, writer = await pod.request()
            writer.write(answer)
            await connection.response()

    assert body.sent < SIZE
    assert not connection.reusable


async def test_what_ends_the_sending_is_raised_where_the_response_is_read(pod: Pod) -> None:
    async def body() -> None:
        raise RestartRequired

    with pytest.raises(RestartRequired):
        await ask(pod, lambda _: body)


async def test_a_reader_that_fails_ends_the_sending(pod: Pod) -> None:
    bodies: list[Body] = []

    def body(connection: Connection) -> Body:
        bodies.append(Body(connection))
        return bodies[0]

    asking = asyncio.create_task(ask(pod, body))
    _, writer = await pod.request()
    writer.write(b"this is no HTTP\r\n\r\n")
    with pytest.raises(UpstreamError):
        await asking

    assert bodies[0].sent < SIZE


async def test_a_client_that_is_gone_ends_the_sending(pod: Pod) -> None:
    """What reads the response passes it on to the client; nothing of the rest of the recording is needed."""
    body = Endless()

    async def pass_on() -> None:
        async with asyncio.timeout(DEADLINE), pod.endpoint.connection() as connection:
            begin(pod, connection)
            async with Sending(connection, body):
                await pod.request()
                raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await pass_on()

    assert body.cancelled


async def test_a_reader_that_is_cancelled_ends_the_sending(pod: Pod) -> None:
    body = Endless()

    asking = asyncio.create_task(ask(pod, lambda _: body))
    await pod.request()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert body.cancelled
