"""The HTTP server under the application: its socket, and answers to bytes that are no HTTP request.

aiohttp rejects such bytes before any route or middleware sees them, with a line of plain text that quotes them.
"""

from __future__ import annotations

import secrets
import socket
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from speechwhisper.api.paths import normalizing
from speechwhisper.api.problem_documents import problem_response
from speechwhisper.errors import Problem
from speechwhisper.telemetry import logs

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

_READ_BUFFER_BYTES = 256 * 1024  # the reader's high-water mark decides the speed of uploads
_KEEPALIVE_S = 75.0  # that of nginx; with aiohttp's hour, programs that wait for an idle connection do not exit
_BACKLOG = 1024
_ALL_IPV6, _ALL_IPV4 = "::", "0.0.0.0"  # noqa: S104 - the unspecified addresses, where settings ask for them


def site(runner: web.AppRunner, host: str, port: int) -> web.BaseSite:
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


class Runner(web.AppRunner):
    """Runs the application; a request is cancelled when its client disconnects.

    Args:
        shutdown_timeout: Seconds for requests in flight to close their connections when the server is cleaned up.
    """

    def __init__(self, app: web.Application, *, shutdown_timeout: float) -> None:
        super().__init__(
            app,
            access_log=None,  # `middleware` logs requests
            handler_cancellation=True,
            shutdown_timeout=shutdown_timeout,
            read_bufsize=_READ_BUFFER_BYTES,
        )

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=normalizing(made.request_factory),
            handler_cancellation=made.handler_cancellation,
            access_log=None,
            read_bufsize=_READ_BUFFER_BYTES,
            keepalive_timeout=_KEEPALIVE_S,
        )


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler):
    """One client's connection."""

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer a malformed or oversized request with a problem document; leave all other errors to aiohttp."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        problem = _problem_of(exc)
        logs.info("malformed request", status=problem.status, code=problem.code)
        response = problem_response("", problem, secrets.token_hex(8))  # its path is unknown
        response.force_close()
        return response


def _problem_of(error: HttpProcessingError) -> Problem:
    if isinstance(error, LineTooLong):
        return Problem(
            "request_headers_too_large", "The request line and each header line are limited to 8190 bytes each."
        )
    return Problem("bad_request", "Not a valid HTTP/1.1 request, or its headers are too many or contradictory.")
