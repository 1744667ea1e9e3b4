"""Where the bytes of a slow upload wait: in memory first, then in a temporary file that has no name."""

from __future__ import annotations

import asyncio
import tempfile
from typing import IO, TYPE_CHECKING

from speechbridge.errors import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_BLOCK = 256 * 1024


class SpoolBudget:
    """Bounds what all spools of the process together put on the disk."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.used = 0

    def take(self, size: int) -> None:
        """Account for `size` more bytes.

        Raises:
            Problem: `overloaded`: the disk share is used up.
        """
        if self.used + size > self._limit:
            raise Problem("overloaded", "Too many slow uploads at once; try again in a while.", retry_after=30)
        self.used += size


class Spool:
    """Keeps bytes in the order they came, up to `memory` of them in memory and the rest in a file."""

    def __init__(self, memory: int, budget: SpoolBudget) -> None:
        self._memory = memory
        self._budget = budget
        self._chunks: list[bytes] = []
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._file: IO[bytes] | None = None
        self._on_disk = 0
        self.size = 0

    def keep(self, chunks: list[bytes]) -> bool:
        """Keep chunks in memory; False, and none of them kept, when the memory share is full."""
        size = sum(map(len, chunks))
        if self.size + size > self._memory:
            return False
        self._chunks.extend(chunks)
        self.size += size
        return True

    async def add(self, chunk: bytes) -> None:
        """Keep a chunk, in the file when the memory share is full.

        Raises:
            Problem: `overloaded`: no room is left on the disk share.
        """
        if self._file is None and not self._pending and self.keep([chunk]):
            return
        self._pending.append(chunk)
        self._pending_size += len(chunk)
        self.size += len(chunk)
        if self._pending_size >= _BLOCK:
            await self._flush()

    async def _flush(self) -> None:
        data = b"".join(self._pending)
        self._budget.take(len(data))
        self._on_disk += len(data)
        self._pending.clear()
        self._pending_size = 0
        await asyncio.to_thread(self._write, data)

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="speechbridge-")  # noqa: SIM115 - closed by `close`
        self._file.seek(0, 2)
        self._file.write(data)

    @property
    def in_memory(self) -> tuple[bytes, ...]:
        """What was kept first, in memory."""
        return tuple(self._chunks)

    @property
    def overflowed(self) -> bool:
        """Whether there is more than `in_memory`."""
        return bool(self._on_disk or self._pending)

    async def overflow(self) -> AsyncIterator[bytes]:
        """Yield what was kept after `in_memory` was full."""
        if self._file is not None:
            at = 0
            while at < self._on_disk:
                block = await asyncio.to_thread(self._read, at)
                at += len(block)
                yield block
        for chunk in self._pending:
            yield chunk

    def _read(self, at: int) -> bytes:
        assert self._file is not None  # noqa: S101 - the caller looked
        self._file.seek(at)
        return self._file.read(_BLOCK)

    def close(self) -> None:
        """Forget everything; the file goes with it."""
        self._chunks.clear()
        self._pending.clear()
        self._budget.used -= self._on_disk
        self._on_disk = 0
        if self._file is not None:
            self._file.close()
            self._file = None
