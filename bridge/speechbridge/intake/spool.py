"""Buffers an upload: in memory first, then in an unnamed temporary file."""

from __future__ import annotations

import asyncio
import errno
import tempfile
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from speechbridge.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from speechbridge.intake.budget import Budgets

BLOCK_BYTES = 256 * 1024
"""What is collected in memory before it is written to the file."""
_SMALL_CHUNK_BYTES = 4096  # smaller ones are joined: each has an overhead of some 40 bytes
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOENT})
"""ENOENT: `tempfile` tries its folders before the first file, and finds none that it can write to."""


class Spool:
    """Buffers chunks in order, the first `memory` bytes in memory and the rest in a file.

    When the budget for memory is used up, the file begins earlier.

    Attributes:
        size: Bytes buffered.
        bytes_in_memory: How many of them are in memory, apart from those on their way to the file.
    """

    def __init__(self, memory: int, budgets: Budgets) -> None:
        self._memory = memory
        self._budgets = budgets
        self._chunks: list[bytes] = []
        self._small = bytearray()
        self.bytes_in_memory = 0
        self._pending: list[bytes | bytearray] = []
        self._pending_bytes = 0
        self._file: IO[bytes] | None = None
        self._on_disk = 0
        self.size = 0

    def add_to_memory(self, chunks: list[bytes]) -> bool:
        """Buffer chunks in memory; return False, and buffer none of them, if they do not all fit.

        They do not once earlier ones have overflowed, even if the budget has room again: those come first.
        """
        if self.overflowed:
            return False
        size = sum(map(len, chunks))
        if self.size + size > self._memory or not self._budgets.memory.try_take(size):
            return False
        self.bytes_in_memory += size
        for chunk in chunks:
            self._keep(chunk)
        self.size += size
        return True

    def _keep(self, chunk: bytes) -> None:
        if len(chunk) < _SMALL_CHUNK_BYTES:
            self._small += chunk
            if len(self._small) < _SMALL_CHUNK_BYTES:
                return
            chunk = b""
        if self._small:
            self._chunks.append(bytes(self._small))
            self._small.clear()
        if chunk:
            self._chunks.append(chunk)

    async def add(self, chunk: bytes) -> None:
        """Buffer a chunk, in the file once the memory is full.

        Raises:
            Problem: `overloaded`: the disk budget is exhausted, or the disk is full.
        """
        if self.add_to_memory([chunk]):
            return
        last = self._pending[-1] if self._pending else None
        if len(chunk) >= _SMALL_CHUNK_BYTES:
            self._pending.append(chunk)
        elif isinstance(last, bytearray):
            last += chunk
        else:
            self._pending.append(bytearray(chunk))
        self._pending_bytes += len(chunk)
        self.size += len(chunk)
        if self._pending_bytes >= BLOCK_BYTES:
            await self._flush()

    async def _flush(self) -> None:
        self._budgets.disk.take(self._pending_bytes)
        self._on_disk += self._pending_bytes
        chunks, self._pending, self._pending_bytes = self._pending, [], 0
        try:
            await asyncio.to_thread(self._write, chunks)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            logs.warning("no disk space for uploads", reason=str(error))
            raise self._budgets.disk.exhausted() from None

    def _write(self, chunks: list[bytes | bytearray]) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="speechbridge-")  # noqa: SIM115 - closed by `close`
        self._file.seek(0, 2)
        self._file.writelines(chunks)
        self._file.flush()  # a full disk is noticed here

    @property
    def in_memory(self) -> tuple[bytes, ...]:
        """The first chunks, in memory."""
        return (*self._chunks, bytes(self._small)) if self._small else tuple(self._chunks)

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
        if self._pending:
            yield b"".join(self._pending)

    def _read(self, at: int) -> bytes:
        assert self._file is not None  # noqa: S101 - checked by the caller
        self._file.seek(at)
        return self._file.read(BLOCK_BYTES)

    def close(self) -> None:
        """Discard everything, including the file."""
        self._chunks.clear()
        self._small.clear()
        self._pending.clear()
        self._pending_bytes = 0
        self._budgets.memory.give(self.bytes_in_memory)
        if self._on_disk:
            self._budgets.disk.give(self._on_disk)
        self.bytes_in_memory = self._on_disk = 0
        if self._file is not None:
            with suppress(OSError):  # after a failed write it tries once more
                self._file.close()
            self._file = None
