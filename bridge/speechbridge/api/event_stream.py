"""Answer with Server-Sent Events: started at the first event, kept alive while there is none."""

from __future__ import annotations

import asyncio
from typing import Self

from aiohttp import web

from speechbridge.api import sse
from speechbridge.telemetry.logs import request_id

_QUIET = 15.0  # seconds without an event after which a comment keeps proxies from closing the connection
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx and its ingress: do not buffer
}


class EventStream:
    """One answer of events, for the duration of a block (`async with`).

    Until the first event nothing has gone out, and an ordinary error can still be given.
    """

    def __init__(self, request: web.Request) -> None:
        self._response: web.StreamResponse | None = None
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeper is not None:
            self._keeper.cancel()

    @property
    def started(self) -> bool:
        """Whether bytes have gone out."""
        return self._response is not None

    @property
    def response(self) -> web.StreamResponse:
        """The answer, to be returned by the handler once the stream has started."""
        assert self._response is not None  # noqa: S101 - asked for after the first event
        return self._response

    async def send(self, data: bytes) -> None:
        """Send one encoded event, or a comment."""
        if self._response is None:
            self._response = web.StreamResponse(headers={**_HEADERS, "X-Request-ID": request_id.get()})
            await self._response.prepare(self._request)
            self.keep_alive()
        self._last = self._loop.time()
        await self._response.write(data)

    def keep_alive(self) -> None:
        """Send comments from now on while nothing else is sent."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep_alive())

    async def _keep_alive(self) -> None:
        while True:
            rest = self._last + _QUIET - self._loop.time()
            if rest > 0:
                await asyncio.sleep(rest)
                continue
            try:
                await self.send(sse.KEEP_ALIVE)
            except ConnectionError:
                return  # the client left; the handler is cancelled for it
