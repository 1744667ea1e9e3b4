"""Whether a pod of an upstream can be reached, and the requests that wait for that."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from speechbridge.upstreams.starts import Starts

if TYPE_CHECKING:
    from speechbridge.upstreams.pods import Pods


class Reachability:
    """What is known of the pods together.

    Args:
        pods: The pods.

    Attributes:
        held: How many requests of this bridge wait until a pod can be reached; they are in no queue for one.
    """

    def __init__(self, pods: Pods) -> None:
        self.held = 0
        self._pods = pods
        self._starts = Starts()
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def wanted(self) -> None:
        """Note that a request waits because no pod can be reached."""
        self._starts = self._starts.wanted(self._loop.time())

    def observe(self) -> None:
        """Take account of a change of the pods."""
        if self._starts.began is not None and self._pods.reachable:
            self._starts = self._starts.reached(self._loop.time())
        self._changed.set()

    async def wait(self, timeout: float) -> None:  # noqa: ASYNC109 - its end is no error
        """Wait until a pod can be reached, for at most so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not self._pods.reachable:
                    self._changed.clear()
                    await self._changed.wait()

    def remaining(self) -> float | None:
        """Estimate the seconds until a pod can be reached, None if that is unknown or one can be."""
        now = self._loop.time()
        outage = self._pods.outage.remaining(now)
        return self._starts.remaining(now) if outage is None else outage
