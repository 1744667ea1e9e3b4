"""One pod: its address, its load, its idle connections."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from speechbridge.upstreams.connection import Connection
from speechbridge.upstreams.failures import FailureKind, UpstreamError

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True)
class Origin:
    """Where an upstream's URL points: scheme, host, port, and a path before every route.

    Attributes:
        headers: Lines that every request has, each terminated by CRLF; secret.
    """

    host: str
    port: int
    path: str
    tls: ssl.SSLContext | None
    headers: str = field(default="", repr=False)

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


class Exchange:
    """A connection for one exchange: kept alive if the block ends normally, closed otherwise.

    A class rather than a decorated generator, since it takes half the CPU; all hot paths here do this.
    """

    __slots__ = ("_connection", "_endpoint")

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __aenter__(self) -> Connection:
        self._connection = await self._endpoint.acquire_connection()
        return self._connection

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._endpoint.release_connection(self._connection)
        else:
            self._connection.abort()


class Endpoint:
    """A pod of an upstream.

    Attributes:
        address: Its IP address.
        slots: How many requests it processes at once, None for any number.
        outstanding: How many requests of this bridge it has in flight.
        ejected_until: The loop's time until which it gets no requests.
        down: Whether the last attempt to connect failed.
        busy: Whether it rejected the last request as busy, because other bridges use it too. The next request is then
            sent with `Expect: 100-continue`, and the pod may queue it with those of the other bridges.
    """

    def __init__(
        self, origin: Origin, address: str, *, slots: int | None, connect_timeout: float, keepalive: float
    ) -> None:
        self.origin = origin
        self.address = address
        self.slots = slots
        self.outstanding = 0
        self.ejected_until = 0.0
        self.down = False
        self.busy = False
        self.last_used = 0.0
        self._connect_timeout = connect_timeout
        self._keepalive = keepalive
        self._idle: list[tuple[Connection, float]] = []
        self._closed = False
        self._loop = asyncio.get_running_loop()

    def connection(self) -> Exchange:
        """Acquire a connection for one exchange: `async with endpoint.connection() as connection`."""
        return Exchange(self)

    async def acquire_connection(self) -> Connection:
        """Return an idle connection or a new one; raises UpstreamError (`connect`)."""
        return self._pop_idle() or await self._connect()

    def release_connection(self, connection: Connection) -> None:
        """Keep a connection alive after an exchange, or close it if it cannot be reused."""
        if self._closed:
            connection.abort()
        elif connection.release():
            self._idle.append((connection, self._loop.time()))

    async def ensure_connected(self) -> None:
        """Open a connection unless there is one, and send nothing; raises UpstreamError (`connect`)."""
        if any(connection.reusable for connection, _ in self._idle):
            return
        self._idle.append((await self._connect(), self._loop.time()))

    def head(self, method: str, path: str, headers: str, length: int | None) -> bytes:
        """Return the head of a request; without a length the body is sent in chunks."""
        framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        return (
            f"{method} {self.origin.path}{path} HTTP/1.1\r\nHost: {self.origin.authority}\r\n{framing}\r\n"
            f"{self.origin.headers}{headers}\r\n"
        ).encode("latin-1")

    def close_stale(self) -> None:
        """Close connections that were idle too long: a terminating pod may wait until no client is connected."""
        oldest = self._loop.time() - self._keepalive
        stale = [idle for idle in self._idle if idle[1] <= oldest]
        for idle in stale:
            idle[0].abort()
            self._idle.remove(idle)

    def close(self) -> None:
        """Close the idle connections, and each of the others once its exchange ends: the pod gets no more requests."""
        self._closed = True
        for connection, _ in self._idle:
            connection.abort()
        self._idle.clear()

    def _pop_idle(self) -> Connection | None:
        now = self._loop.time()
        while self._idle:
            connection, since = self._idle.pop()
            if connection.reusable and now - since < self._keepalive:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await self._loop.create_connection(
                    Connection,
                    self.address,
                    self.origin.port,
                    ssl=self.origin.tls,
                    server_hostname=self.origin.host if self.origin.tls else None,
                )
        except TimeoutError:
            raise UpstreamError(FailureKind.CONNECT, "the connection timed out") from None
        except OSError as error:
            detail = "the connection was refused" if isinstance(error, ConnectionRefusedError) else "it is unreachable"
            raise UpstreamError(FailureKind.CONNECT, detail) from error
        else:
            self.down = False
            return connection
