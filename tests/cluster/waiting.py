"""Waiting for what nobody announces."""

import asyncio
from collections.abc import Callable

POLL_S = 0.05


async def until(condition: Callable[[], object], within_s: float = 30.0) -> None:
    """Return when `condition` holds; AssertionError when it does not in time."""
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        if condition():
            return
        assert asyncio.get_running_loop().time() < deadline, f"not within {within_s:.0f} s"
        await asyncio.sleep(POLL_S)
