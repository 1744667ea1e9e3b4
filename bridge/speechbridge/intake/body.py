"""A request's body as it arrives, with limits on stalls and on the rate of the sender."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from speechbridge.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

_RATE_GRACE_S = 10.0  # seconds of waiting before the minimum rate applies


@dataclass(frozen=True)
class Pace:
    """The minimum rate of a sender in bytes per second, and the longest time without data in seconds."""

    min_rate: int
    stall_timeout: float


class Body:
    """Reads a body chunk by chunk.

    Args:
        stream: The request's body.
        pace: What is required of the sender.
        clock: Seconds of a monotonic clock.
        progress: Is called with each chunk.

    Attributes:
        received: Bytes received so far.
        waited: Seconds spent waiting for them.
    """

    def __init__(
        self, stream: aiohttp.StreamReader, pace: Pace, clock: Callable[[], float], progress: Callable[[], None]
    ) -> None:
        self.received = 0
        self.waited = 0.0
        self._stream = stream
        self._pace = pace
        self._clock = clock
        self._progress = progress

    @property
    def stall_timeout(self) -> float:
        """The longest time without data, in seconds."""
        return self._pace.stall_timeout

    @property
    def at_end(self) -> bool:
        """Whether all of it has been read."""
        return self._stream.at_eof()

    async def read(self, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - unlike the stall timeout, it is not an error
        """Return the next chunk, empty at the end.

        Args:
            timeout: Seconds to wait instead of the stall timeout.

        Raises:
            TimeoutError: Nothing arrived within `timeout`.
            Problem: `upload_stalled`, `upload_too_slow`, or `bad_request` for invalid framing.
        """
        try:
            # What has arrived needs no timer.
            data = await (self._next() if self._stream.total_bytes > self.received else self._wait(timeout))
        except web.RequestPayloadError:
            raise Problem("bad_request", "Invalid chunked encoding or compression of the body.") from None
        self.received += len(data)
        self._progress()
        if self.waited > _RATE_GRACE_S and self.received < self._pace.min_rate * self.waited:
            raise Problem(
                "upload_too_slow",
                f"The upload is slower than {self._pace.min_rate} bytes per second; use a faster connection.",
            )
        return data

    async def _wait(self, timeout: float | None) -> bytes:  # noqa: ASYNC109 - as in `read`
        asked = self._clock()
        try:
            async with asyncio.timeout(self._pace.stall_timeout if timeout is None else timeout):
                return await self._next()
        except TimeoutError:
            if timeout is not None:
                raise
            raise Problem(
                "upload_stalled", f"The upload stalled: no data for {self._pace.stall_timeout:g} s. Send it again."
            ) from None
        finally:
            self.waited += self._clock() - asked

    async def _next(self) -> bytes:
        """Return chunks as they arrived: `readany` would copy all that have accumulated into one."""
        while True:
            data, _ = await self._stream.readchunk()
            if data or self._stream.at_eof():
                return data
