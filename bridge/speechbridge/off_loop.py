"""Keeps work on large requests away from the event loop, so that other requests go on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

LARGE_BYTES = 2**20
STEP_BYTES = 256 * 1024
"""What a thread works on without giving other threads a turn: C code holds the interpreter's lock until it is done."""


async def off_loop(size: int, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Return what `work` returns; it runs in a thread if it is about more than 1 MiB, else at once.

    Args:
        size: How many bytes or characters it is about.
        work: The work.
        arguments: Its arguments.
        options: Its keyword arguments.
    """
    if size > LARGE_BYTES:
        return await asyncio.to_thread(work, *arguments, **options)
    return work(*arguments, **options)
