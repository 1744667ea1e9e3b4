"""A request's body as it arrives, from a sender that has to keep up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from speechbridge.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

_GRACE = 10.0  # seconds of waiting before the slowest allowed rate counts


@dataclass(frozen=True)
class Pace:
    """The least that is asked of a sender: bytes per second, and seconds without a byte."""

    min_rate: int
    stall_timeout: float


class Body:
    """Reads a body, chunk by chunk.

    Attributes:
        received: Bytes that have come so far.
        waited: Seconds that were spent waiting for them.
    """

    def __init__(self, stream: aiohttp.StreamReader, pace: Pace, clock: Callable[[], float]) -> None:
        self.received = 0
        self.waited = 0.0
        self._stream = stream
        self._pace = pace
        self._clock = clock

    @property
    def stall_timeout(self) -> float:
        """Seconds without a byte that are allowed."""
        return self._pace.stall_timeout

    async def read(self, patience: float | None = None) -> bytes:
        """Return what comes next, nothing at the end.

        Args:
            patience: Seconds to wait instead of the longest that is allowed.

        Raises:
            TimeoutError: The patience is over.
            Problem: `upload_stalled`, `upload_too_slow`, or `bad_request`: the body's framing is broken.
        """
        asked = self._clock()
        try:
            async with asyncio.timeout(self._pace.stall_timeout if patience is None else patience):
                data = await self._next()
        except TimeoutError:
            if patience is not None:
                raise
            raise Problem(
                "upload_stalled", f"No byte came for {self._pace.stall_timeout:g} s; send it again."
            ) from None
        except web.RequestPayloadError:
            raise Problem("bad_request", "The body cannot be read: its chunks or its compression are broken.") from None
        finally:
            self.waited += self._clock() - asked
        self.received += len(data)
        if self.waited > _GRACE and self.received < self._pace.min_rate * self.waited:
            slowest = self._pace.min_rate
            raise Problem("upload_too_slow", f"Less than {slowest} bytes a second came; use a better connection.")
        return data

    async def _next(self) -> bytes:
        """Chunk by chunk, as they came: `readany` would copy all that has piled up into one."""
        while True:
            data, _ = await self._stream.readchunk()
            if data or self._stream.at_eof():
                return data
