"""Limits on connections of clients: how many, how long a head may take, and how long a client may read nothing.

aiohttp limits none of these: a head that never ends, and a response that is never read, keep their socket for as long
as the client likes. Each connection is looked at once per interval, which costs less than timers for each.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from speechbridge.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from speechbridge.telemetry.metrics import Metrics

_MOST_LOOKS_PER_LIMIT = 4
_LONGEST_INTERVAL_S = 1.0


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits; times in seconds, and `Settings` describes each."""

    connections: int
    head_timeout: float
    idle_timeout: float
    write_timeout: float

    @property
    def interval(self) -> float:
        """How often the connections are looked at, in seconds."""
        return min(_LONGEST_INTERVAL_S, min(self.head_timeout, self.write_timeout) / _MOST_LOOKS_PER_LIMIT)


class ClientConnection(Protocol):
    """A connection, as the watch sees it."""

    @property
    def head_since(self) -> float | None:
        """Since when a head has been arriving, in seconds of the loop's time; None if none is."""

    @property
    def idle(self) -> bool:
        """Whether it waits for a request of which nothing has arrived."""

    @property
    def written(self) -> int:
        """Bytes of all its responses written so far."""

    def force_close(self) -> None:
        """Close it once what was written is sent."""


class ConnectionWatch:
    """Closes the connections that reach a limit.

    Args:
        limits: The limits.
        connections: Returns the open connections, the oldest first, each with its transport.
        metrics: Where those that are closed are counted.
    """

    def __init__(
        self,
        limits: ConnectionLimits,
        connections: Callable[[], Iterable[tuple[ClientConnection, asyncio.Transport]]],
        metrics: Metrics,
    ) -> None:
        self._limits = limits
        self._connections = connections
        self._metrics = metrics
        self._sent: dict[asyncio.Transport, tuple[int, float]] = {}

    def make_room(self, count: int) -> bool:
        """Return whether another connection fits beside `count` others; closes the oldest idle one if necessary."""
        if count < self._limits.connections:
            return True
        idle = next((connection for connection, _ in self._connections() if connection.idle), None)
        self._count("refused" if idle is None else "displaced")
        if idle is None:
            return False
        idle.force_close()
        return True

    async def run(self) -> None:
        """Look at the connections until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._limits.interval)
            self.look(loop.time())

    def look(self, now: float) -> None:
        """Abort the connections whose head takes too long, or whose client reads nothing.

        A client reads if more has been sent: what was written, without what its transport still holds. More may be
        written than it reads.
        """
        waiting: dict[asyncio.Transport, tuple[int, float]] = {}
        for connection, transport in tuple(self._connections()):
            if connection.head_since is not None and now - connection.head_since > self._limits.head_timeout:
                self._abort(transport, "slow_head")
            elif size := transport.get_write_buffer_size():
                sent = connection.written - size
                before, since = self._sent.get(transport, (sent, now))
                waiting[transport] = (sent, since if sent <= before else now)
                if now - waiting[transport][1] > self._limits.write_timeout:
                    self._abort(transport, "stalled")
        self._sent = waiting

    def _abort(self, transport: asyncio.Transport, reason: str) -> None:
        logs.info("connection aborted", reason=reason)
        self._count(reason)
        transport.abort()

    def _count(self, reason: str) -> None:
        self._metrics.connections_closed.labels(reason).inc()
