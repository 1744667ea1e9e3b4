"""FLAC and AMR.

Sources: RFC 9639, section 8.2 (STREAMINFO); RFC 4867, sections 4.3 and 5 (AMR's frames and files).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbridge.audio.headers.mpeg import after_id3

if TYPE_CHECKING:
    from speechbridge.audio.headers.excerpt import Excerpt

_STREAMINFO_BYTES = 34
_AMR_MAGIC, _AMR_WB_MAGIC = b"#!AMR\n", b"#!AMR-WB\n"
_AMR_FRAMES = (13, 14, 16, 18, 20, 21, 27, 32, 6)  # bytes of a frame with its header, by mode; the last is silence
_AMR_WB_FRAMES = (18, 24, 33, 37, 41, 47, 51, 59, 61, 6)
_NO_DATA_BYTES = 1
_AMR_FRAMES_PER_SECOND = 50


def flac_seconds(excerpt: Excerpt) -> float | None:
    """Return the duration of a FLAC file, None if it was written to a pipe."""
    at = after_id3(excerpt.head)
    info = excerpt.head[at + 8 : at + 8 + _STREAMINFO_BYTES]
    if len(info) < _STREAMINFO_BYTES or excerpt.head[at : at + 4] != b"fLaC":
        return None
    bits = int.from_bytes(info[10:18], "big")  # 20 of the sample rate, 3 + 5 of the format, 36 of the samples
    sample_rate, samples = bits >> 44, bits & (1 << 36) - 1
    return samples / sample_rate if sample_rate and samples else None


def amr_seconds(excerpt: Excerpt) -> float | None:
    """Return the duration of an AMR file, from the modes of its first frames, which are 20 ms each."""
    head = excerpt.head
    wide = head.startswith(_AMR_WB_MAGIC)
    sizes = _AMR_WB_FRAMES if wide else _AMR_FRAMES
    start = at = len(_AMR_WB_MAGIC if wide else _AMR_MAGIC)
    frames = 0
    while at < len(head):
        mode = head[at] >> 3 & 15
        at += sizes[mode] if mode < len(sizes) else _NO_DATA_BYTES
        frames += 1
    return (excerpt.size - start) * frames / (at - start) / _AMR_FRAMES_PER_SECOND if frames else None
