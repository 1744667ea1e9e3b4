"""Answer with Server-Sent Events: started at the first event, kept alive while there is none."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from speechbridge import sse
from speechbridge.logs import request_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_QUIET = 15.0  # seconds without an event after which a comment keeps proxies from closing the connection
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx and its ingress: do not buffer
}


class EventStream:
    """One answer of events. Until the first event nothing has gone out, and an ordinary error can still be given."""

    def __init__(self, request: web.Request) -> None:
        self._response: web.StreamResponse | None = None
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()

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
        self._last = self._loop.time()
        await self._response.write(data)

    @asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[EventStream]:
        """Send comments while nothing else is sent, for the duration of the block."""
        keeper = asyncio.create_task(self._keep_alive())
        try:
            yield self
        finally:
            keeper.cancel()

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
