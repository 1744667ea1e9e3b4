"""One pod: its address, its load, its idle connections."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from speechbridge.upstreams.account import Account
from speechbridge.upstreams.choose import PodState
from speechbridge.upstreams.connection import Connection
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.upstreams.health import Health
from speechbridge.upstreams.load import load_in_header

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from speechbridge.upstreams.load import Load


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

    @cached_property
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

    Args:
        origin: The upstream.
        address: Its IP address.
        slots: How many requests it works on together unless it reports that; None for any number.
        connect_timeout: Seconds for a connection.
        keepalive: Seconds until an idle connection is closed.
        on_change: Called when it reports its load, or can be reached, for the first time or again: it may take more
            requests than before.

    Attributes:
        health: Whether it can be expected to answer.
        account: What it has to do.
        last_used: The loop's time at which it was chosen last.
    """

    def __init__(
        self,
        origin: Origin,
        address: str,
        *,
        slots: int | None,
        connect_timeout: float,
        keepalive: float,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.origin = origin
        self.address = address
        self.health = Health()
        self.account = Account()
        self.last_used = 0.0
        self._slots = slots
        self._connect_timeout = connect_timeout
        self._keepalive = keepalive
        self._on_change = on_change
        self._idle: list[tuple[Connection, float]] = []
        self._closed = False
        self._loop = asyncio.get_running_loop()

    @property
    def port(self) -> int:
        """Its port."""
        return self.origin.port

    @property
    def slots(self) -> int | None:
        """How many requests it works on together, None for any number."""
        return self.account.report.slots if self.account.report else self._slots

    @property
    def outstanding(self) -> int:
        """How many requests of this bridge it has."""
        return self.account.outstanding

    @property
    def reports_load(self) -> bool:
        """Whether it has a queue, and reports what is in it."""
        return self.account.report is not None

    def adopt(self, load: Load | None) -> None:
        """Take over a report of its load; None if it reports none."""
        if load is not None or self.reports_load:
            self.account.adopt(load, self._loop.time())
            self._on_change()

    def accepts(self, now: float) -> bool:
        """Return whether a request can be sent to it at a time of the loop; if it is alone, `choose` agrees."""
        health, account = self.health, self.account
        if self._closed or health.down or health.ejected_until > now:
            return False
        return account.report is not None or self._slots is None or account.busy < self._slots

    def state(self, now: float, *, avoided: bool = False, model: str = "", speed: float = 1.0) -> PodState:
        """Return what the choice of a pod is based on.

        Args:
            now: The loop's time.
            avoided: Whether it failed this request.
            model: The model that the request names; may be empty.
            speed: Seconds of audio per second of a pod whose speed is unknown.
        """
        health = self.health
        return PodState(
            available=not (self._closed or health.down) and health.ejected_until <= now,
            reachable=not health.down,
            avoided=avoided,
            last_in_line=health.last_in_line(model, now),
            queues=self.reports_load,
            slots=self.slots,
            busy=self.account.busy,
            outstanding=self.account.outstanding,
            seconds_ahead=self.account.seconds_ahead(now, speed),
            last_used=self.last_used,
        )

    def connection(self) -> Exchange:
        """Acquire a connection for one exchange: `async with endpoint.connection() as connection`."""
        return Exchange(self)

    async def acquire_connection(self) -> Connection:
        """Return an idle connection or a new one; raises UpstreamError (`connect`)."""
        now = self._loop.time()
        while self._idle:
            connection, since = self._idle.pop()
            if connection.reusable and now - since < self._keepalive:
                return connection
            connection.abort()
        return await self._connect()

    async def _connect(self) -> Connection:
        """Return a new connection; raises UpstreamError (`connect`)."""
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._read_load),
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
        if self.health.connected(self._loop.time()):
            self._on_change()
        return connection

    def release_connection(self, connection: Connection) -> None:
        """Keep a connection alive after an exchange, or close it if it cannot be reused."""
        if connection.release():
            self._keep(connection)

    async def ensure_connected(self) -> None:
        """Open a connection unless there is one, and send nothing; raises UpstreamError (`connect`)."""
        if not any(connection.reusable for connection, _ in self._idle):
            await self.probe()

    async def probe(self) -> None:
        """Open a connection and send nothing; raises UpstreamError (`connect`)."""
        self._keep(await self._connect())

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
        self.close_idle()

    def reopen(self) -> None:
        """Take requests again after `close`: the pod was only away for a moment."""
        self._closed = False

    def close_idle(self) -> None:
        """Close the idle connections."""
        for connection, _ in self._idle:
            connection.abort()
        self._idle.clear()

    def _keep(self, connection: Connection) -> None:
        if self._closed:  # the pod was removed meanwhile
            connection.abort()
        else:
            self._idle.append((connection, self._loop.time()))

    def _read_load(self, headers: dict[str, str]) -> None:
        value = headers.get("speech-load")
        load = load_in_header(value) if value else None
        if load is not None:
            self.adopt(load)
