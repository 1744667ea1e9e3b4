"""A bounded pipe from the event loop to one reading thread.

An upload is written as it arrives and decoded as it is written. The writer waits while the pipe is full, the reader
blocks while it is empty, so memory use does not depend on the size of the file.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

CAPACITY = 1024 * 1024
"""Maximum number of bytes buffered, besides the chunk being written."""


class PipeBrokenError(Exception):
    """The writer gave up: the client disconnected, stalled or sent a malformed form."""


class BytePipe:
    """A pipe written on the event loop and read in another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, capacity: int = CAPACITY) -> None:
        self._loop = loop
        self._capacity = capacity
        self._changed = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._ended = False
        self._broken = False
        self._abandoned = False
        self._room: asyncio.Future[None] | None = None

    async def write(self, chunk: bytes) -> bool:
        """Add a chunk, waiting while the pipe is full.

        Returns:
            Whether the reader is still reading; once False, the rest need not be written.
        """
        while True:
            with self._changed:
                if self._abandoned:
                    return False
                if self._held < self._capacity:
                    self._chunks.append(chunk)
                    self._held += len(chunk)
                    self._changed.notify()
                    return True
                room = self._room = self._loop.create_future()
            await room

    def end(self) -> None:
        """Mark the end of the file; the reader gets what is buffered, then the end of the file."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def break_off(self) -> None:
        """Give up: the reader gets `PipeBrokenError` at once, even after `end`."""
        with self._changed:
            self._broken = True
            self._changed.notify()

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes (any number if negative), blocking for the first; empty at the end.

        Raises:
            PipeBrokenError: The writer gave up.
        """
        with self._changed:
            while not (self._chunks or self._ended or self._broken):
                self._changed.wait()
            if self._broken:
                raise PipeBrokenError
            if not self._chunks:
                return b""
            chunk = self._chunks.popleft()
            if 0 <= size < len(chunk):
                self._chunks.appendleft(chunk[size:])
                chunk = chunk[:size]
            self._held -= len(chunk)
            if self._held < self._capacity:
                self._wake_writer()
            return chunk

    def abandon(self) -> None:
        """Stop reading; a waiting writer continues."""
        with self._changed:
            self._abandoned = True
            self._chunks.clear()
            self._held = 0
            self._wake_writer()

    def _wake_writer(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            self._loop.call_soon_threadsafe(_resolve, room)


def _resolve(room: asyncio.Future[None]) -> None:
    if not room.done():
        room.set_result(None)
