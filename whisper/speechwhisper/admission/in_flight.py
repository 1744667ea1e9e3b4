"""The requests in flight, which a shutdown waits for."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class InFlight:
    """Counts requests, from their first handler to the last byte of their response.

    A slot is not enough to wait for: it is released once a recording is decoded, before its transcript is sent.
    """

    def __init__(self) -> None:
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def count(self) -> int:
        """Number of requests in flight."""
        return self._count

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a request for the duration of the block."""
        self._count += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._idle.set()

    async def idle(self) -> None:
        """Wait until no request is in flight."""
        await self._idle.wait()
