"""Keeps the two ends of a recording that arrives in chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbridge.audio.containers import container_of
from speechbridge.audio.headers.excerpt import HEAD_BYTES, TAIL_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

ENDS_BYTES = HEAD_BYTES + 2 * TAIL_BYTES
"""What the ends of a recording take in memory, at most."""
_TIMED_AT_END = frozenset({"ogg", "mp4", "matroska"})
"""Containers that tell their duration at the end."""


class Ends:
    """The first and, where the duration is there, the last bytes of a recording.

    Attributes:
        head: The first bytes, at most 4 KiB.
    """

    def __init__(self) -> None:
        self.head = b""
        self._tail = bytearray()
        self._keeps_tail = False

    def add(self, chunks: Iterable[bytes]) -> None:
        """Add the chunks that arrived next."""
        for chunk in chunks:
            if len(self.head) < HEAD_BYTES:
                self.head += chunk[: HEAD_BYTES - len(self.head)]
                self._keeps_tail = container_of(self.head) in _TIMED_AT_END
            if self._keeps_tail:
                self._tail += chunk[-TAIL_BYTES:]
                if len(self._tail) > 2 * TAIL_BYTES:  # not each time: small chunks would copy it again and again
                    del self._tail[:-TAIL_BYTES]

    @property
    def tail(self) -> bytes:
        """The last bytes so far, at most 64 KiB; empty if the container does not tell its duration there."""
        return bytes(self._tail[-TAIL_BYTES:]) if self._tail else b""
