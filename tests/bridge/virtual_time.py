"""An event loop whose time passes only when there is nothing to do, so that no test waits for a timeout."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _VirtualTime(asyncio.SelectorEventLoop):
    _now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        due = [timer.when() for timer in self._scheduled if not timer.cancelled()]
        if not self._ready and due:
            self._now = max(self._now, min(due))
        super()._run_once()


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=_VirtualTime) as runner:
        return runner.run(main)


async def passes(seconds: float) -> None:
    """Let time pass, and what is due then happen."""
    await asyncio.sleep(seconds)
    await asyncio.sleep(0)
