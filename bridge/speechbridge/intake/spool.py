"""Buffers an upload: in memory first, then in an unnamed temporary file."""

from __future__ import annotations

import asyncio
import tempfile
from typing import IO, TYPE_CHECKING

from speechbridge.errors import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_BLOCK_BYTES = 256 * 1024


class SpoolBudget:
    """Limits the bytes on disk of all spools of the process together.

    Args:
        limit: Bytes.
        retry_after: Seconds after which a rejected upload may try again.
    """

    def __init__(self, limit: int, *, retry_after: int) -> None:
        self._limit = limit
        self._retry_after = retry_after
        self.used = 0

    def take(self, size: int) -> None:
        """Reserve `size` bytes.

        Raises:
            Problem: `overloaded`: the budget is exhausted.
        """
        if self.used + size > self._limit:
            raise Problem(
                "overloaded",
                f"The disk space for slow uploads is exhausted; try again in {self._retry_after} s.",
                retry_after=self._retry_after,
            )
        self.used += size


class Spool:
    """Buffers chunks in order, the first `memory` bytes in memory and the rest in a file."""

    def __init__(self, memory: int, budget: SpoolBudget) -> None:
        self._memory = memory
        self._budget = budget
        self._chunks: list[bytes] = []
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._file: IO[bytes] | None = None
        self._on_disk = 0
        self.size = 0

    def add_to_memory(self, chunks: list[bytes]) -> bool:
        """Buffer chunks in memory; return False, and buffer none of them, if they do not all fit."""
        size = sum(map(len, chunks))
        if self.size + size > self._memory:
            return False
        self._chunks.extend(chunks)
        self.size += size
        return True

    async def add(self, chunk: bytes) -> None:
        """Buffer a chunk, in the file once the memory is full.

        Raises:
            Problem: `overloaded`: the disk budget is exhausted.
        """
        if self._file is None and not self._pending and self.add_to_memory([chunk]):
            return
        self._pending.append(chunk)
        self._pending_size += len(chunk)
        self.size += len(chunk)
        if self._pending_size >= _BLOCK_BYTES:
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
        """The first chunks, in memory."""
        return tuple(self._chunks)

    @property
    def overflowed(self) -> bool:
        """Whether there is more than `in_memory`."""
        return bool(self._on_disk or self._pending)

    async def overflow(self) -> AsyncIterator[bytes]:
        """Yield the bytes after `in_memory`."""
        if self._file is not None:
            at = 0
            while at < self._on_disk:
                block = await asyncio.to_thread(self._read, at)
                at += len(block)
                yield block
        for chunk in self._pending:
            yield chunk

    def _read(self, at: int) -> bytes:
        assert self._file is not None  # noqa: S101 - checked by the caller
        self._file.seek(at)
        return self._file.read(_BLOCK_BYTES)

    def close(self) -> None:
        """Discard everything, including the file."""
        self._chunks.clear()
        self._pending.clear()
        self._budget.used -= self._on_disk
        self._on_disk = 0
        if self._file is not None:
            self._file.close()
            self._file = None
