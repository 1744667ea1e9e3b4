"""One HTTP exchange with a pod, whose every byte the test writes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from bridge.wire import DEADLINE
from speechbridge.upstreams.discovery import origin_of
from speechbridge.upstreams.endpoint import Endpoint
from speechbridge.upstreams.failures import FailureKind, UpstreamError

pytestmark = pytest.mark.unit

Pod = tuple[asyncio.StreamReader, asyncio.StreamWriter]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


class Server:
    """Accepts; `connection()` is the next one accepted."""

    def __init__(self) -> None:
        self.endpoint: Endpoint
        self._accepted: asyncio.Queue[Pod] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        await self._accepted.put((reader, writer))

    async def connection(self) -> Pod:
        async with asyncio.timeout(DEADLINE):
            return await self._accepted.get()

    @property
    def accepted(self) -> int:
        return len(self._writers)

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.start_server(server.accept, "127.0.0.1", 0, limit=2**20)
    port = listening.sockets[0].getsockname()[1]
    origin = origin_of(f"http://127.0.0.1:{port}/base")
    server.endpoint = Endpoint(origin, "127.0.0.1", slots=None, connect_timeout=1, keepalive=4)
    yield server
    server.endpoint.close()
    server.close()
    listening.close()


async def exchange(server: Server, answer: Callable[[Pod], Awaitable[None]]) -> tuple[int, bytes]:
    """Ask once; the pod reads the request's head, then does what `answer` does."""

    async def serve() -> None:
        pod = await server.connection()
        await pod[0].readuntil(b"\r\n\r\n")
        await answer(pod)

    serving = asyncio.create_task(serve())
    try:
        return await ask(server)
    finally:
        await serving


async def ask(server: Server) -> tuple[int, bytes]:
    async with asyncio.timeout(DEADLINE), server.endpoint.connection() as connection:
        connection.send(server.endpoint.head("GET", "/x", "", 0))
        return await connection.response(), await connection.read()


def says(*pieces: bytes, then: str = "") -> Callable[[Pod], Awaitable[None]]:
    """Write the pieces one by one, then `close` or `reset` the connection, or leave it."""

    async def answer(pod: Pod) -> None:
        for piece in pieces:
            pod[1].write(piece)
            await pod[1].drain()
            await asyncio.sleep(0)
        if then == "close":
            pod[1].close()
        elif then == "reset":
            pod[1].transport.abort()

    return answer


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        says(OK),
        says(*(bytes([byte]) for byte in OK)),
        says(CHUNKED),
        says(*(bytes([byte]) for byte in CHUNKED)),
        says(b"HTTP/1.1 100 Continue\r\n\r\n", OK),
        says(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", OK),
        says(b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + OK),
        says(b"HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\n\r\nOK", then="close"),
        says(b"HTTP/1.1 200 OK\r\n\r\nO", b"K", then="close"),
        says(b"HTTP/1.0 200 OK\r\n\r\nOK", then="close"),
        says(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nOK", then="close"),
        says(OK, then="close"),
    ],
    ids=[
        "sized",
        "bytewise",
        "chunked",
        "chunked, bytewise",
        "continue",
        "early hints",
        "processing",
        "sized hints",
        "to the end",
        "1.0",
        "says close",
        "closes",
    ],
)
async def test_an_answer_is_read_however_it_is_framed(server: Server, answer: Callable[[Pod], Awaitable[None]]) -> None:
    assert await exchange(server, answer) == (200, b"OK")


async def permission(server: Server, answer: Callable[[Pod], Awaitable[None]], patience: float = DEADLINE) -> bool:
    """Ask to send a body; return whether the pod has answered already."""

    async def serve() -> None:
        pod = await server.connection()
        await pod[0].readuntil(b"\r\n\r\n")
        await answer(pod)

    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group, server.endpoint.connection() as connection:
        group.create_task(serve())
        connection.send(server.endpoint.head("POST", "/x", "Expect: 100-continue\r\n", 2))
        await connection.permission(patience)
        return connection.answered


async def test_a_pod_asks_for_the_body(server: Server) -> None:
    assert not await permission(server, says(b"HTTP/1.1 100 Continue\r\n\r\n"))


async def test_a_pod_answers_without_the_body(server: Server) -> None:
    assert await permission(server, says(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"))


async def test_a_pod_that_does_not_know_the_question_gets_the_body_after_a_while(server: Server) -> None:
    assert not await permission(server, says(), patience=0.01)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (says(then="close"), FailureKind.DIED),
        (says(then="reset"), FailureKind.DIED),
        (says(b"HTTP/1.1 200 OK\r\n", then="close"), FailureKind.DIED),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nOK", then="close"), FailureKind.DIED),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nOK", then="reset"), FailureKind.DIED),
        (says(CHUNKED[:-5], then="close"), FailureKind.DIED),
        (says(CHUNKED[:-5], then="reset"), FailureKind.DIED),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n", then="close"), FailureKind.BAD_ANSWER),
        (says(b"\x15\x03\x01\x00\x02\x02\x16", then="close"), FailureKind.BAD_ANSWER),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), FailureKind.BAD_ANSWER),
        (
            says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"),
            FailureKind.BAD_ANSWER,
        ),
        (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), FailureKind.BAD_ANSWER),
    ],
)
async def test_an_answer_that_breaks_is_an_error_of_its_kind(
    server: Server, answer: Callable[[Pod], Awaitable[None]], kind: FailureKind
) -> None:
    with pytest.raises(UpstreamError) as error:
        await exchange(server, answer)

    assert error.value.kind is kind
    assert not error.value.stale


async def test_the_request_is_what_was_meant(server: Server) -> None:
    heads: list[bytes] = []

    async def answer(pod: Pod) -> None:
        pod[1].write(OK)

    async def serve() -> None:
        pod = await server.connection()
        heads.append(await pod[0].readuntil(b"\r\n\r\n"))
        await answer(pod)

    serving = asyncio.create_task(serve())
    async with server.endpoint.connection() as connection:
        connection.send(server.endpoint.head("POST", "/x?a=b", "X-Request-ID: call-42\r\n", None))
        await connection.response()
        await connection.read()
    await serving

    assert heads[0].startswith(b"POST /base/x?a=b HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nTransfer-Encoding: chunked\r\nX-Request-ID: call-42\r\n\r\n" in heads[0]


async def test_a_connection_is_used_again(server: Server) -> None:
    async def serve() -> None:
        pod = await server.connection()
        for _ in range(3):
            await pod[0].readuntil(b"\r\n\r\n")
            pod[1].write(OK)

    serving = asyncio.create_task(serve())
    for number in range(3):
        async with server.endpoint.connection() as connection:
            assert connection.reused == bool(number)
            connection.send(server.endpoint.head("GET", "/", "", 0))
            assert (await connection.response(), await connection.read()) == (200, b"OK")
    await serving

    assert server.accepted == 1


@pytest.mark.parametrize("answer", [b"Connection: close\r\n", b""])
async def test_a_connection_is_not_used_again_where_it_cannot_be(server: Server, answer: bytes) -> None:
    framing = b"Content-Length: 2\r\n" if answer else b""
    await exchange(server, says(b"HTTP/1.1 200 OK\r\n" + answer + framing + b"\r\nOK", then="close"))

    assert await exchange(server, says(OK)) == (200, b"OK")
    assert server.accepted == 2


async def test_an_exchange_that_is_left_cuts_the_connection(server: Server) -> None:
    async with server.endpoint.connection() as connection:
        connection.send(server.endpoint.head("GET", "/", "", 0))
        reader, _ = await server.connection()
        await reader.readuntil(b"\r\n\r\n")

    async with asyncio.timeout(DEADLINE):
        assert await reader.read() == b""


async def test_a_connection_closed_while_idle_is_replaced_before_anything_is_sent(server: Server) -> None:
    await exchange(server, says(OK, then="close"))
    await until(lambda: not any(connection.reusable for connection, _ in server.endpoint._idle))

    assert await exchange(server, says(OK)) == (200, b"OK")


async def test_a_connection_closed_as_the_request_comes_is_stale(server: Server) -> None:
    async def serve() -> None:
        reader, writer = await server.connection()
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    serving = asyncio.create_task(serve())
    await ask(server)
    with pytest.raises(UpstreamError) as error:
        await ask(server)
    await serving

    assert (error.value.kind, error.value.stale) == (FailureKind.DIED, True)


async def test_a_connection_that_was_idle_too_long_is_cut(server: Server) -> None:
    """Ollama's pods stop once nobody is connected to them."""
    left_idle: list[Pod] = []

    async def serve() -> None:
        pod = await server.connection()
        await pod[0].readuntil(b"\r\n\r\n")
        pod[1].write(OK)
        left_idle.append(pod)

    serving = asyncio.create_task(serve())
    await ask(server)
    await serving
    server.endpoint._keepalive = 0

    server.endpoint.close_stale()

    async with asyncio.timeout(DEADLINE):
        with suppress(ConnectionError):
            assert await left_idle[0][0].read() == b""
    assert not server.endpoint._idle


async def test_a_connection_to_a_pod_that_left_is_cut_when_its_exchange_ends(server: Server) -> None:
    async def answer(pod: Pod) -> None:
        server.endpoint.close()
        pod[1].write(OK)
        async with asyncio.timeout(DEADLINE):
            with suppress(ConnectionError):
                assert await pod[0].read() == b""

    assert await exchange(server, answer) == (200, b"OK")
    assert not server.endpoint._idle


async def test_an_answer_nobody_asked_for_is_given_to_nobody(server: Server) -> None:
    """A server that gives up an idle connection may say 408 first; that is not the answer to the next request."""
    out_of_turn = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"

    async def answer(pod: Pod) -> None:
        pod[1].write(OK)
        await until(lambda: bool(server.endpoint._idle))
        pod[1].write(out_of_turn)

    assert await exchange(server, answer) == (200, b"OK")
    idle = server.endpoint._idle[0][0]
    await until(lambda: not idle.reusable)

    assert await exchange(server, says(OK)) == (200, b"OK")


async def test_two_answers_at_once_are_not_one(server: Server) -> None:
    assert await exchange(server, says(OK + OK.replace(b"OK", b"NO"))) == (200, b"OK")

    assert await exchange(server, says(OK)) == (200, b"OK")
    assert server.accepted == 2


async def test_an_early_answer_ends_the_wait_of_the_sender(server: Server) -> None:
    """The pod answers and reads no more: what is not sent yet makes no sense any more."""

    async def serve() -> None:
        reader, writer = await server.connection()
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 3\r\n\r\n")

    serving = asyncio.create_task(serve())
    async with asyncio.timeout(DEADLINE), server.endpoint.connection() as connection:
        connection.send(server.endpoint.head("POST", "/", "", 2**30))
        while not connection.answered:
            connection.send(bytes(2**20))
            await connection.drain()
            await asyncio.sleep(0)
        assert await connection.response() == 503
        assert connection.headers["retry-after"] == "3"
    await serving


async def test_a_long_answer_is_not_read_ahead_of_its_reader(server: Server) -> None:
    size = 32 * 2**20

    async def serve() -> None:
        reader, writer = await server.connection()
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(32):
            writer.write(bytes(2**20))
            await writer.drain()

    serving = asyncio.create_task(serve())
    seen, most = 0, 0
    async with asyncio.timeout(DEADLINE), server.endpoint.connection() as connection:
        connection.send(server.endpoint.head("GET", "/", "", 0))
        await connection.response()
        async for chunk in connection.chunks():
            seen += len(chunk)
            most = max(most, connection._buffered)
            await asyncio.sleep(0)
    await serving

    assert seen == size
    assert most < 2 * 2**20


async def test_an_endless_answer_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechbridge.upstreams.connection._MAX_RESPONSE_BYTES", 2**20)

    with pytest.raises(UpstreamError) as error:
        await exchange(server, says(b"HTTP/1.1 200 OK\r\nContent-Length: 2097152\r\n\r\n", bytes(2**21)))

    assert error.value.kind is FailureKind.BAD_ANSWER


async def test_pieces_that_come_together_leave_together(server: Server) -> None:
    async def serve() -> None:
        reader, writer = await server.connection()
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(1000):
            writer.write(b"2\r\nab\r\n")
        writer.write(b"0\r\n\r\n")

    serving = asyncio.create_task(serve())
    async with server.endpoint.connection() as connection:
        connection.send(server.endpoint.head("GET", "/", "", 0))
        await connection.response()
        chunks = [chunk async for chunk in connection.chunks(0.01)]
    await serving

    assert b"".join(chunks) == b"ab" * 1000
    assert len(chunks) < 1000


async def test_nobody_there_is_a_failure_to_connect() -> None:
    endpoint = Endpoint(origin_of("http://127.0.0.1:1"), "127.0.0.1", slots=None, connect_timeout=1, keepalive=4)

    with pytest.raises(UpstreamError) as error:
        await endpoint.acquire_connection()

    assert error.value.kind is FailureKind.CONNECT


async def test_a_connection_in_the_middle_of_a_request_is_not_used_again(server: Server) -> None:
    """The pod answers without reading the body; it would take the next request for its rest."""

    async def serve() -> None:
        for _ in range(2):
            reader, writer = await server.connection()
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)

    serving = asyncio.create_task(serve())
    async with asyncio.timeout(DEADLINE):
        async with server.endpoint.connection() as connection:
            connection.begin_body()
            connection.send(server.endpoint.head("POST", "/", "", 2**20), bytes(2**10))
            assert (await connection.response(), await connection.read()) == (200, b"OK")
        assert await ask(server) == (200, b"OK")
    await serving

    assert server.accepted == 2


async def test_a_finished_request_leaves_its_connection_to_the_next(server: Server) -> None:
    async def serve() -> None:
        reader, writer = await server.connection()
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)

    serving = asyncio.create_task(serve())
    async with asyncio.timeout(DEADLINE):
        async with server.endpoint.connection() as connection:
            connection.begin_body()
            connection.send(server.endpoint.head("POST", "/", "", 0))
            connection.finish_body()
            assert (await connection.response(), await connection.read()) == (200, b"OK")
        assert await ask(server) == (200, b"OK")
    await serving

    assert server.accepted == 1


async def test_a_withdrawn_request_ends_its_wait(server: Server) -> None:
    async with asyncio.timeout(DEADLINE), server.endpoint.connection() as connection:
        connection.send(server.endpoint.head("POST", "/x", "Expect: 100-continue\r\n", 2))
        asking = asyncio.create_task(connection.permission(DEADLINE))
        await asyncio.sleep(0)
        connection.withdraw()

        assert not await asking


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="only Linux names the option so")
async def test_the_kernel_probes_connections(server: Server) -> None:
    async with server.endpoint.connection() as connection:
        assert connection._transport is not None
        sock = connection._transport.get_extra_info("socket")
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)

        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert [sock.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [10, 5, 3]


async def test_a_connection_to_a_pod_that_left_meanwhile_is_not_kept(server: Server) -> None:
    probing = asyncio.create_task(server.endpoint.probe())
    server.endpoint.close()
    await probing

    assert not server.endpoint._idle


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - a connection has no event for it
            await asyncio.sleep(0)
