"""The HTTP server under the application: what cannot even be read as a request is answered and logged like the rest.

aiohttp answers such bytes before any route or middleware sees them: with a line of plain text, and with a stack trace
in the log that quotes them, which may be a prompt (a body longer than it was declared is read as the next request).
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from speechbridge.api.problem_documents import problem_document
from speechbridge.errors import Problem
from speechbridge.telemetry.logs import logger

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

_READ_BUFFER = 256 * 1024  # the reader's high-water mark decides the speed of uploads


class Runner(web.AppRunner):
    """Runs the application; a request whose client leaves is cancelled.

    Args:
        shutdown_timeout: Seconds that requests still in flight get when the server is cleaned up.
    """

    def __init__(self, app: web.Application, *, shutdown_timeout: float) -> None:
        super().__init__(
            app,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=shutdown_timeout,
            read_bufsize=_READ_BUFFER,
        )

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            access_log=None,
            read_bufsize=_READ_BUFFER,
        )


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler):
    """One client's connection."""

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what is no HTTP request, or too large a one, with a problem document; all else is aiohttp's."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        problem = _problem_of(exc)
        request_id = secrets.token_hex(8)
        logger.info("not a request", extra={"fields": {"status": problem.status, "code": problem.code}})
        response = web.Response(
            body=json.dumps(problem_document(problem, request_id)).encode(),
            status=problem.status,
            headers={"Content-Type": "application/problem+json", "X-Request-ID": request_id},
        )
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log what went wrong in the server, but not that a client's body broke off while it was thrown away."""
        if not isinstance(kw.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **kw)


def _problem_of(error: HttpProcessingError) -> Problem:
    if isinstance(error, LineTooLong):
        return Problem("request_headers_too_large", "The request line and each header may have 8190 bytes.")
    return Problem("bad_request", "This is no HTTP/1.1 request, or its headers are too many or contradict each other.")
