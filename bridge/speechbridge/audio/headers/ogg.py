"""Ogg: the duration is the position of the last page (RFC 3533, section 6), so it is known once the file is complete.

Sources: RFC 7845, sections 4 and 5.1 (Opus); Vorbis I specification, section 4.2.2; Speex manual, section 5.2; the FLAC
project, "Ogg FLAC mapping".
"""

from __future__ import annotations

from struct import unpack_from
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechbridge.audio.headers.excerpt import Excerpt

_CAPTURE = b"OggS"
_HEADER_BYTES = 27
_NO_POSITION = -1  # of a page on which no packet ends
_OPUS_RATE = 48_000


def ogg_seconds(excerpt: Excerpt) -> float | None:
    """Return the position of the last page of the first audio stream."""
    for at, serial in _pages(excerpt.head):
        start = at + _HEADER_BYTES + excerpt.head[at + 26]
        packet = excerpt.head[start:]
        if packet.startswith(b"\x7fFLAC"):
            sample_rate = int.from_bytes(packet[27:30], "big") >> 4
            return _until_last_page(excerpt.tail, serial, sample_rate)
        if packet.startswith(b"OpusHead"):
            return _until_last_page(excerpt.tail, serial, _OPUS_RATE, skipped=unpack_from("<H", packet, 10)[0])
        if packet.startswith(b"\x01vorbis"):
            return _until_last_page(excerpt.tail, serial, unpack_from("<I", packet, 12)[0])
        if packet.startswith(b"Speex   "):
            return _until_last_page(excerpt.tail, serial, unpack_from("<I", packet, 36)[0])
    return None


def _until_last_page(tail: bytes, serial: int, sample_rate: int, skipped: int = 0) -> float | None:
    position = 0
    for at, stream in _pages(tail):
        (granule,) = unpack_from("<q", tail, at + 6)
        if stream == serial and granule != _NO_POSITION:
            position = granule
    return max(0, position - skipped) / sample_rate if position and sample_rate else None


def _pages(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield position and stream of each page whose header is complete."""
    at = data.find(_CAPTURE)
    while 0 <= at <= len(data) - _HEADER_BYTES:
        yield at, unpack_from("<I", data, at + 14)[0]
        at = data.find(_CAPTURE, at + len(_CAPTURE))
