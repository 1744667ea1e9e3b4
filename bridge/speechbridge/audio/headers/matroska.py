"""Matroska and WebM: the duration is in the element Info, unless the file was recorded as a stream.

Sources: RFC 8794 (EBML), sections 4 to 6; RFC 9559 (Matroska), sections 5.1.2, 5.1.3 and 10.
"""

from __future__ import annotations

from struct import unpack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechbridge.audio.headers.excerpt import Excerpt

_SEGMENT, _INFO, _SCALE, _DURATION = 0x18538067, 0x1549A966, 0x2AD7B1, 0x4489
_CLUSTER, _TIMESTAMP, _SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK = 0x1F43B675, 0xE7, 0xA3, 0xA0, 0xA1
_DEFAULT_SCALE = 1_000_000  # nanoseconds per tick
_NANOSECONDS = 1_000_000_000
_MAX_ID_BYTES, _MAX_SIZE_BYTES = 4, 8


def matroska_seconds(excerpt: Excerpt) -> float | None:
    """Return the duration in the header or, if the file was recorded as a stream, the time of its last block."""
    scale, duration = _DEFAULT_SCALE, 0.0
    for name, start, end in _elements(excerpt.head, 0, len(excerpt.head), into={_SEGMENT, _INFO}):
        value = excerpt.head[start:end]
        if name == _SCALE:
            scale = int.from_bytes(value, "big")
        elif name == _DURATION and len(value) == 4:  # noqa: PLR2004 - a float of 4 or 8 bytes
            (duration,) = unpack(">f", value)
        elif name == _DURATION:
            (duration,) = unpack(">d", value)
    return (duration or _last_timestamp(excerpt.tail)) * scale / _NANOSECONDS or None


def _last_timestamp(tail: bytes) -> float:
    """Return the time of the last block, in ticks; 0 if no cluster begins in the tail."""
    at = tail.rfind(_CLUSTER.to_bytes(4, "big"))
    cluster = latest = 0
    for name, start, end in _elements(tail, max(0, at), len(tail) if at >= 0 else 0, into={_CLUSTER, _BLOCK_GROUP}):
        if name == _TIMESTAMP:
            cluster = int.from_bytes(tail[start:end], "big")
        elif name in {_SIMPLE_BLOCK, _BLOCK}:
            _, length = _vint(tail, start, keep_marker=False)  # the number of the track
            latest = max(latest, int.from_bytes(tail[start + length : start + length + 2], "big", signed=True))
    return float(cluster + latest)


def _elements(data: bytes, at: int, end: int, into: set[int]) -> Iterator[tuple[int, int, int]]:
    """Yield id, start and end of each element, and of those within the elements named in `into`."""
    while at < end and data[at]:
        name, id_bytes = _vint(data, at, keep_marker=True)
        size, size_bytes = _vint(data, at + id_bytes, keep_marker=False)
        if not 0 < id_bytes <= _MAX_ID_BYTES or not 0 < size_bytes <= _MAX_SIZE_BYTES:
            return
        start = at + id_bytes + size_bytes
        yield name, start, start + size
        at = start if name in into else start + size


def _vint(data: bytes, at: int, *, keep_marker: bool) -> tuple[int, int]:
    """Return a number of variable length and its length in bytes, 0 if it ends early."""
    length = 9 - data[at].bit_length() if at < len(data) else 0
    if not length or at + length > len(data):
        return 0, 0
    value = int.from_bytes(data[at : at + length], "big")
    return (value if keep_marker else value & (1 << 7 * length) - 1), length
