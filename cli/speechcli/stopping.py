"""Signals that stop a command: it ends what it has started, as with Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


async def until_stopped(work: Coroutine[Any, Any, int]) -> int:
    """Return the exit code of `work`, or 128 plus the signal's number if SIGTERM or SIGHUP stops it, as Ctrl-C does.

    A signal that is ignored on purpose, as with nohup, stays ignored.
    """
    working = asyncio.ensure_future(work)
    received: list[int] = []

    def stop(number: int) -> None:
        if not received:  # once: a second cancellation would interrupt the cleanup
            working.cancel()
        received.append(number)

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            with contextlib.suppress(NotImplementedError):  # on Windows, where the signals end the process
                asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        return await working
    except asyncio.CancelledError:
        if not received:
            raise
        return 128 + received[0]
