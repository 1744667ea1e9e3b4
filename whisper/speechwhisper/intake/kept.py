"""Keeps the bytes of an upload until its form is complete: short ones in memory, others in a temporary file."""

from __future__ import annotations

import asyncio
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_MEMORY_BYTES = 1024 * 1024
_READ_BYTES = 256 * 1024


class Kept:
    """The bytes of one upload; closed by its owner."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # noqa: SIM115 - closed by `close`
        self._size = 0

    async def write(self, chunk: bytes) -> None:
        """Append bytes."""
        self._size += len(chunk)
        if self._size <= _MEMORY_BYTES:
            self._file.write(chunk)
        else:
            await asyncio.to_thread(self._file.write, chunk)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield everything from the beginning."""
        self._file.seek(0)
        while chunk := (
            self._file.read(_READ_BYTES)
            if self._size <= _MEMORY_BYTES
            else await asyncio.to_thread(self._file.read, _READ_BYTES)
        ):
            yield chunk

    def close(self) -> None:
        """Forget everything."""
        self._file.close()
