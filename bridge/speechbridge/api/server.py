"""The HTTP server under the application: its socket, and answers to bytes that are no HTTP request.

aiohttp rejects such bytes before any route or middleware sees them: with a line of plain text, and with a stack trace
in the log that quotes them. They may be part of a prompt, since the bytes of a body that exceed its declared length are
parsed as the next request.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from speechbridge.api.connections import ConnectionWatch
from speechbridge.api.paths import Paths
from speechbridge.api.problem_documents import problem_document
from speechbridge.errors import Problem
from speechbridge.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiohttp import StreamReader
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.web_request import BaseRequest

    from speechbridge.api.connections import ConnectionLimits
    from speechbridge.telemetry.metrics import Metrics

_READ_BUFFER_BYTES = 256 * 1024  # the reader's high-water mark decides the speed of uploads
_BACKLOG = 1024
_TOO_MANY_CONNECTIONS = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)
_ALL_IPV6, _ALL_IPV4 = "::", "0.0.0.0"  # noqa: S104 - the unspecified addresses, where settings ask for them


class Runner(web.AppRunner):
    """Runs the application; a request is cancelled when its client disconnects.

    Args:
        app: The application.
        limits: On connections.
        metrics: Where connections are counted.
        shutdown_timeout: Seconds that requests in flight may take to finish when the server is cleaned up.
    """

    def __init__(
        self, app: web.Application, limits: ConnectionLimits, metrics: Metrics, *, shutdown_timeout: float
    ) -> None:
        super().__init__(
            app,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=shutdown_timeout,
            read_bufsize=_READ_BUFFER_BYTES,
            keepalive_timeout=limits.idle_timeout,
        )
        self._limits = limits
        self._metrics = metrics
        self._watching: asyncio.Task[None] | None = None
        self._open: Callable[[], Iterable[tuple[_Connection, asyncio.Transport]]] = tuple

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        server = _Server(
            made.request_handler,
            request_factory=_counting(Paths.of(self.app).normalizing(made.request_factory)),
            handler_cancellation=made.handler_cancellation,
            access_log=None,
            read_bufsize=_READ_BUFFER_BYTES,
            keepalive_timeout=self._limits.idle_timeout,
        )
        server.watch = ConnectionWatch(self._limits, server.open_connections, self._metrics)
        self._metrics.set_function(self._metrics.connections, lambda: len(server.connections))
        self._watching = asyncio.create_task(server.watch.run())
        self._open = server.open_connections
        return server

    @property
    def unsent(self) -> int:
        """How many connections have a request in progress, or a response of which the client lacks a part."""
        return sum(
            connection.answering or transport.get_write_buffer_size() > 0 for connection, transport in self._open()
        )

    async def sent(self) -> None:
        """Wait until the responses to the requests in progress have been sent, to their last byte."""
        await asyncio.gather(*(connection.sent(transport) for connection, transport in tuple(self._open())))

    async def cleanup(self) -> None:
        """Stop the server; connections are watched until it has stopped."""
        await super().cleanup()
        if self._watching is not None:
            self._watching.cancel()


def site(runner: Runner, host: str, port: int) -> web.BaseSite:
    """Return the site that listens on an address; `::` accepts IPv4 connections too.

    asyncio makes IPv6 sockets IPv6-only, so the socket of `::` is created here. On a machine without IPv6, `::` means
    `0.0.0.0`.

    Raises:
        OSError: The port is in use.
    """
    if host != _ALL_IPV6:
        return web.TCPSite(runner, host, port, backlog=_BACKLOG)
    if not socket.has_dualstack_ipv6():
        return web.TCPSite(runner, _ALL_IPV4, port, backlog=_BACKLOG)
    listening = socket.create_server((host, port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
    return web.SockSite(runner, listening, backlog=_BACKLOG)


def _counting(make_request: Callable[..., web.BaseRequest]) -> Callable[..., web.BaseRequest]:
    """Return a factory of requests like `make_request` that tells each connection what writes its response."""

    def make(
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: _Connection,
        writer: AbstractStreamWriter,
        *rest: Any,
    ) -> web.BaseRequest:
        protocol.begin(writer)
        return make_request(message, payload, protocol, writer, *rest)

    return make


class _Server(web.Server):
    watch: ConnectionWatch

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)

    def open_connections(self) -> Iterable[tuple[_Connection, asyncio.Transport]]:
        """Return the connections with their transports, also those that are closed but have bytes to send."""
        return ((handler, it) for handler, it in self._connections.items() if isinstance(handler, _Connection))


class _Connection(web.RequestHandler):
    """One client's connection.

    Attributes:
        head_since: Since when a head has been arriving, in seconds of the loop's time; None if none is.
    """

    def __init__(self, server: _Server, **options: Any) -> None:
        super().__init__(server, **options)
        self.head_since: float | None = None
        self._server = server
        self._written_before = 0
        self._writer: AbstractStreamWriter | None = None

    @property
    def idle(self) -> bool:
        """Whether it waits for a request of which nothing has arrived."""
        return self._waiter is not None and not self._waiter.done() and self.head_since is None

    @property
    def answering(self) -> bool:
        """Whether a request is in progress, until its response is written."""
        return self._request_in_progress

    async def sent(self, transport: asyncio.Transport) -> None:
        """Wait until the response to the request in progress has been sent, or the connection is lost."""
        if self._request_in_progress:
            self._handler_waiter = self._loop.create_future()  # as aiohttp does in its own `shutdown`
            try:
                await self._handler_waiter
            finally:
                self._handler_waiter = None
        if self.transport is not None:
            transport.set_write_buffer_limits(high=0)  # writing is paused until nothing is left
            with suppress(ConnectionError):
                await self._drain_helper()

    @property
    def written(self) -> int:
        """Bytes of all its responses written so far."""
        return self._written_before + (0 if self._writer is None else self._writer.output_size)

    def begin(self, writer: AbstractStreamWriter) -> None:
        """Note what writes the next response."""
        self._written_before = self.written
        self._writer = writer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept a connection, unless there are too many."""
        if self._server.watch.make_room(len(self._server.connections)):
            super().connection_made(transport)
            return
        self._force_close = True
        refused = cast("asyncio.Transport", transport)  # uvloop's has another base class
        refused.write(_TOO_MANY_CONNECTIONS)
        refused.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget what wrote the last response: it refers to this connection, and a cycle waits for the collector."""
        super().connection_lost(exc)
        self._writer = None

    def data_received(self, data: bytes) -> None:
        """Parse what arrived; note since when a head is incomplete."""
        super().data_received(data)
        if self._waiter is None or self._waiter.done():
            self.head_since = None
        elif self.head_since is None and data:
            self.head_since = self._loop.time()

    async def _drain_helper(self) -> None:
        """Wait until the client has read; also after a deadline has cancelled such a wait."""
        if self._drain_waiter is not None and self._drain_waiter.cancelled():
            self._drain_waiter = None
        await super()._drain_helper()

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer a malformed or oversized request with a problem document; leave all other errors to aiohttp."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        problem = _problem_of(exc)
        request_id = secrets.token_hex(8)
        logs.info("malformed request", status=problem.status, code=problem.code)
        response = web.Response(
            body=json.dumps(problem_document(problem, request_id)).encode(),
            status=problem.status,
            headers={"Content-Type": "application/problem+json", "X-Request-ID": request_id},
        )
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log server errors, except bodies that end early while they are discarded."""
        if not isinstance(kw.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **kw)


def _problem_of(error: HttpProcessingError) -> Problem:
    if isinstance(error, LineTooLong):
        return Problem(
            "request_headers_too_large", "The request line and each header line are limited to 8190 bytes each."
        )
    return Problem("bad_request", "Not a valid HTTP/1.1 request, or its headers are too many or contradictory.")
