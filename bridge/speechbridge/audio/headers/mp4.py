"""MP4, M4A and MOV: the duration is in the box `mvhd` of the box `moov` (ISO/IEC 14496-12, section 8.2.2)."""

from __future__ import annotations

from struct import unpack_from
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from speechbridge.audio.headers.excerpt import Excerpt

_BOX_BYTES = 8
_LARGE = 1  # a box with its size in 64 bits after its name
_UNKNOWN = {0, 2**32 - 1, 2**64 - 1}  # as in fragmented files


def mp4_seconds(excerpt: Excerpt) -> float | None:
    """Return the duration if `moov` is near the beginning or, of a complete file, near its end."""
    head, at = excerpt.head, 0
    while at + _BOX_BYTES <= len(head):
        size, name = unpack_from(">I4s", head, at)
        if name == b"moov":
            return _movie_seconds(head, at + _BOX_BYTES)
        if size == _LARGE:
            (size,) = unpack_from(">Q", head, at + _BOX_BYTES)
        if size < _BOX_BYTES:
            return None
        at += size
    found = excerpt.tail.rfind(b"moov")
    return _movie_seconds(excerpt.tail, found + 4) if found >= 0 else None


def _movie_seconds(data: bytes, at: int) -> float | None:
    """Return the duration in the first box of `moov`."""
    name, version = unpack_from(">4x4sB", data, at)
    if name != b"mvhd":
        return None
    timescale, duration = unpack_from(">IQ" if version == 1 else ">II", data, at + (28 if version == 1 else 20))
    return duration / timescale if timescale and duration not in _UNKNOWN else None
