"""Server-Sent Events as a response: started by the first event, kept alive by comments."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from aiohttp import web

from speechbridge.api import sse
from speechbridge.telemetry.logs import request_id

if TYPE_CHECKING:
    from speechbridge.errors import Loading

_KEEP_ALIVE_INTERVAL_S = 15.0  # proxies close connections without traffic, typically after 60 s
_MAX_QUIET_WAIT_S = 45.0  # for a pod: a comment would begin the response, and rule out a 503 with Retry-After
_WRITE_BUFFER_BYTES = 2**20  # more than the events of an hour of speech: a pod waits for no slow reader
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx and ingress-nginx: do not buffer
}


class EventStream:
    """The event stream of one response, for the duration of a block (`async with`).

    Until the first event nothing is sent, so an ordinary error response is still possible.
    """

    def __init__(self, request: web.Request) -> None:
        self._response: web.StreamResponse | None = None
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._last_sent = self._loop.time()
        self._keep_alive_task: asyncio.Task[None] | None = None
        self._interval = _MAX_QUIET_WAIT_S

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Send no more comments."""
        if self._keep_alive_task is not None:
            self._keep_alive_task.cancel()

    @property
    def started(self) -> bool:
        """Whether the response has begun."""
        return self._response is not None

    @property
    def response(self) -> web.StreamResponse:
        """The response, to be returned by the handler once the stream has started."""
        assert self._response is not None  # noqa: S101 - read after the first event
        return self._response

    async def send(self, data: bytes) -> None:
        """Send an encoded event, or a comment."""
        if self._response is None:
            self._response = web.StreamResponse(headers={**HEADERS, "X-Request-ID": request_id.get()})
            if self._request.transport is not None:
                self._request.transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
            await self._response.prepare(self._request)
            self._interval = _KEEP_ALIVE_INTERVAL_S
            self.keep_alive()
        self._last_sent = self._loop.time()
        await self._response.write(data)

    async def starting(self, loading: Loading | None) -> None:
        """Tell the client in a comment that a component starts, and how far: OpenAI's clients know no such event."""
        await self.send(sse.comment(f"starting{_progress(loading)}"))

    def keep_alive(self) -> None:
        """Send comments from now on whenever nothing else is sent: soon once a pod has accepted the request."""
        if self._keep_alive_task is None:
            self._keep_alive_task = asyncio.create_task(self._keep_alive())

    def accepted(self) -> None:
        """Record that a pod has accepted the request, which is thus unlikely to be rejected."""
        if self._interval != _KEEP_ALIVE_INTERVAL_S and self._keep_alive_task is not None:
            self._interval = _KEEP_ALIVE_INTERVAL_S
            self._keep_alive_task.cancel()  # it sleeps for the longer interval
            self._keep_alive_task = asyncio.create_task(self._keep_alive())

    async def _keep_alive(self) -> None:
        while True:
            remaining = self._last_sent + self._interval - self._loop.time()
            if remaining > 0:
                await asyncio.sleep(remaining)
                continue
            try:
                await self.send(sse.KEEP_ALIVE)
            except ConnectionError:
                return  # the client disconnected, which cancels the handler


def _progress(loading: Loading | None) -> str:
    if loading is None:
        return ""
    left = "" if loading.eta_seconds is None else f", about {loading.eta_seconds} s left"
    return f": {loading.stage}{left}"
