"""Keeps background tasks running."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from speechbridge.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_RESTART_DELAY_S = 1.0


async def supervised(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Await `work` until it returns; after an unexpected exception it is logged and starts over a second later."""
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the task is needed
            logs.error("background task failed", task=name, error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(_RESTART_DELAY_S)
        else:
            return
