"""Keeps the bytes of an upload until its form is complete: short ones in memory, others in a temporary file."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

from speechwhisper import disk

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
        """Append bytes.

        Raises:
            Problem: `no_space`.
        """
        self._size += len(chunk)
        if self._size <= _MEMORY_BYTES:
            self._file.write(chunk)
            return
        with disk.room():
            await asyncio.to_thread(self._write_to_disk, chunk)

    def _write_to_disk(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._file.flush()  # a full disk is noticed here

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
        with suppress(OSError):  # after a failed write it tries once more
            self._file.close()
