"""One HTTP/1.1 connection to a pod, thin enough for the audio hot path: chunks go from socket to socket uncopied.

httptools (llhttp) parses the responses. aiohttp's client does the same for about twice the CPU time per exchange
(`docs/decisions/0001-own-http-client-for-upstreams.md`).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import httptools

from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.upstreams.keepalive import set_keepalive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_READ_AHEAD_BYTES = 256 * 1024
_MAX_RESPONSE_BYTES = 64 * 2**20
_CONTINUE = 100
_OK = 200
_SWITCHING_PROTOCOLS = 101
_FRAMING = frozenset({"content-length", "transfer-encoding"})
_CHUNKS_BEFORE_PAUSE = 4  # so that a short response, and the start of a long one, are not delayed


@lru_cache(maxsize=256)  # servers send the same few names again and again
def _lower(name: bytes) -> str:
    return name.decode("latin-1").lower()


class Connection(asyncio.Protocol):
    """One exchange at a time: `send` (once or more), then `response`, then `chunks` or `read`.

    A request with `Expect: 100-continue` awaits `permission` before it sends its body. Whoever sends a body in several
    pieces calls `begin_body` first and `finish_body` after the last, since a connection in the middle of a request
    cannot be reused. A task may send it while another reads the response (`sending.py`).

    Every method that waits raises UpstreamError if the connection is lost or the response is not HTTP.

    Args:
        on_head: Receives the headers of each final response as it arrives.
    """

    def __init__(self, on_head: Callable[[dict[str, str]], None] | None = None) -> None:
        self._on_head = on_head
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._error: UpstreamError | None = None
        self._failure: Exception | None = None
        self._closed = False
        self.reused = False
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._buffered = 0
        self._reading_paused = False
        self._answered = False
        self._continued = False
        self._withdrawn = False
        self._request_finished = True
        self._has_headers = False
        self._sized = False
        self._complete = False
        self._keep_alive = False

    # Sending.

    def send(self, *data: bytes) -> None:
        """Write bytes of the request; ignored on a lost connection, which `response` reports."""
        if self._transport is not None and not self._closed:
            self._transport.writelines(data)

    def begin_body(self) -> None:
        """Note that more of the request follows."""
        self._request_finished = False

    def finish_body(self) -> None:
        """Note that the request is complete."""
        self._request_finished = True

    @property
    def congested(self) -> bool:
        """Whether the pod reads more slowly than the bridge writes; then await `drain`."""
        return self._writable is not None

    async def drain(self) -> None:
        """Wait until the pod has read what was written, or takes no more of it."""
        if self._writable is not None:
            await self._writable

    @property
    def answered(self) -> bool:
        """Whether a response, or the end of the connection, has arrived."""
        return self._has_headers or self._closed or self._error is not None

    @property
    def takes_no_more(self) -> bool:
        """Whether nothing more of the request should be sent.

        The pod has rejected it, has responded completely, or is gone. A pod whose 200 has only begun responds to what
        has arrived so far, and needs the rest.
        """
        rejected = self._has_headers and self.status != _OK
        return rejected or self._complete or self._closed or self._error is not None

    @property
    def permitted(self) -> bool:
        """Whether the pod has asked for the body, or responded."""
        return self._continued or self.answered

    async def permission(self, timeout: float) -> bool:  # noqa: ASYNC109 - the caller decides what it means
        """Wait until the pod asks for the body with `100 Continue`, or has responded without it (see `answered`).

        Args:
            timeout: Seconds.

        Returns:
            Whether either has happened; otherwise the time is over, or the request was withdrawn.

        Raises:
            UpstreamError: The connection was lost.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, timeout)):
                while not self.permitted and not self._withdrawn:
                    await self._wait()
        if self._error is not None and not self._has_headers:
            raise self._error
        return self.permitted

    def withdraw(self) -> None:
        """End the wait for permission: the request is sent to another pod instead."""
        self._withdrawn = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """Let whoever waits for the response have this error instead: the request cannot be completed."""
        self._failure = error
        self._wake()

    # Receiving.

    def check(self) -> None:
        """Raise what `fail` was called with, if it was."""
        if self._failure is not None:
            raise self._failure

    async def response(self) -> int:
        """Wait for the head of the response; return its status. `headers` has lower-case names."""
        while not self._has_headers:
            await self._wait()
        return self.status

    async def chunks(self, interval: float = 0.0) -> AsyncIterator[bytes]:
        """Yield the body of the response as it arrives; what arrived together is one chunk.

        Args:
            interval: Seconds. After several chunks in shorter succession, reading pauses for this long: a model that is
                faster than people read then causes one wake-up per interval instead of one per token
                (`docs/decisions/0006-coalesce-fast-tokens.md`).
        """
        last, quick = -interval, 0
        while True:
            if self._body:
                now = self._loop.time()
                quick = quick + 1 if now - last < interval else 0
                last = now
                yield self._take()
            if self._complete and not self._body:
                return
            if quick >= _CHUNKS_BEFORE_PAUSE and not self._complete:
                await self._pause(last + interval - self._loop.time())
                last = self._loop.time()
            if not self._body and not self._complete:
                await self._wait()

    async def _pause(self, seconds: float) -> None:
        """Leave the response in the kernel's buffer for a while."""
        if seconds <= 0 or self._transport is None or self._reading_paused or self._closed:
            return
        self._transport.pause_reading()
        try:
            await asyncio.sleep(seconds)
        finally:
            if not self._closed:
                self._transport.resume_reading()

    async def read(self) -> bytes:
        """Return the whole body of the response, at most 64 MiB."""
        parts, size = [], 0
        while True:
            if self._body:
                parts.append(self._take())
                size += len(parts[-1])
            if size > _MAX_RESPONSE_BYTES:
                raise UpstreamError(FailureKind.BAD_ANSWER, "the response is larger than 64 MiB")
            if self._complete:
                return b"".join(parts)
            await self._wait()

    def _take(self) -> bytes:
        chunk = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        self._buffered = 0
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()
        return chunk

    async def _wait(self) -> None:
        self.check()
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    # Between exchanges.

    def release(self) -> bool:
        """Prepare for the next exchange; return False, and close, if the connection cannot be reused."""
        clean = self._complete and self._keep_alive and not self._body and self._error is None
        clean = clean and self._request_finished and self._failure is None
        if self._closed or not clean or self._writable is not None:
            self.abort()
            return False
        self._reset()
        self.reused = True
        return True

    @property
    def reusable(self) -> bool:
        """Whether an idle connection can be reused: it is open, and no unexpected data has arrived."""
        return not self._closed and not self._answered

    def abort(self) -> None:
        """Close at once; a pod that is processing a request sees its client disconnect."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has another base class
        set_keepalive(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:  # noqa: D102
        self._answered = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(UpstreamError(FailureKind.BAD_ANSWER, "the response is not HTTP"))
            self.abort()
        self._wake()

    def eof_received(self) -> None:  # noqa: D102
        if self._has_headers and not self._complete and not self._sized:
            self._complete = True  # a body that ends with the connection (RFC 9112, section 6.3, item 8)
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        self._closed = True
        if not self._complete:
            stale = self.reused and not self._answered
            detail = "the connection was lost" if self._answered else "the connection was closed before a response"
            if isinstance(exc, TimeoutError):
                detail = "the connection timed out"
            self._fail(UpstreamError(FailureKind.DIED, detail, stale=stale))
        self._wake()

    def pause_writing(self) -> None:  # noqa: D102
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:  # noqa: D102
        self._unblock_writer()

    # httptools.

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: D102
        key = _lower(name)
        self.headers[key] = value.decode("latin-1")
        if key in _FRAMING:
            self._sized = True

    def on_message_begin(self) -> None:  # noqa: D102
        if self._has_headers:
            raise UpstreamError(FailureKind.BAD_ANSWER, "two responses arrived")  # to the parser, which stops

    def on_headers_complete(self) -> None:  # noqa: D102
        self.status = self._parser.get_status_code()
        if self.status < _OK and self.status != _SWITCHING_PROTOCOLS:  # interim (RFC 9110, section 15.2)
            self._continued = self._continued or self.status == _CONTINUE
            self.headers.clear()
            self._sized = False
            return
        self._has_headers = True
        self._keep_alive = self._parser.should_keep_alive()
        if self._on_head is not None:
            self._on_head(self.headers)

    def on_body(self, body: bytes) -> None:  # noqa: D102
        self._body.append(body)
        self._buffered += len(body)
        if self._buffered > _READ_AHEAD_BYTES and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:  # noqa: D102
        self._complete = self._has_headers

    # Waking the waiters.

    def _fail(self, error: UpstreamError) -> None:
        self._error = self._error or error

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            error = self._failure or (None if self._body else self._error)
            if error is not None:
                self._waiter.set_exception(error)
            else:
                self._waiter.set_result(None)
        if self._writable is not None and self.takes_no_more:
            self._unblock_writer()

    def _unblock_writer(self) -> None:
        if self._writable is not None:
            if not self._writable.done():
                self._writable.set_result(None)
            self._writable = None
