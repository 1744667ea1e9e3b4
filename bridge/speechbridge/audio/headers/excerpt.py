"""What is read of a recording to learn its duration."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_BYTES = 4096
TAIL_BYTES = 64 * 1024
"""As long as the longest page of Ogg (RFC 3533, section 6), so that the last one is among them."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The beginning and the end of a recording.

    Attributes:
        head: The first bytes, at most 4 KiB.
        size: The size in bytes if `complete`, else what is declared, or has arrived: at least 1.
        tail: The last bytes of a complete recording, at most 64 KiB; empty if they are not known.
        complete: Whether the recording has arrived.
    """

    head: bytes
    size: int
    tail: bytes = b""
    complete: bool = True
