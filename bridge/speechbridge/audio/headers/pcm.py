"""WAV, AIFF, AU and CAF: mostly uncompressed, with the format in one of the first chunks.

Sources: Microsoft, "Multiple channel audio data and WAVE files"; EBU Tech 3306 (RF64); Apple, "Audio Interchange File
Format AIFF-C"; Sun, `audio_filehdr`; Apple, "Core Audio Format Specification".
"""

from __future__ import annotations

from struct import unpack_from
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechbridge.audio.headers.excerpt import Excerpt

_UNKNOWN_SIZE = 0xFFFFFFFF  # of a file written to a pipe, or larger than 4 GiB
_MIN_SAMPLE_RATE, _MAX_SAMPLE_RATE = 1_000, 768_000  # Hz
_UNCOMPRESSED = frozenset({1, 3, 6, 7, 0xFFFE})  # WAVE format tags: PCM, float, A-law, mu-law, extensible
_AU_BYTES = {1: 1.0, 2: 1.0, 3: 2.0, 4: 3.0, 5: 4.0, 6: 4.0, 7: 8.0, 23: 0.5, 24: 0.5, 25: 0.375, 26: 0.625, 27: 1.0}
"""Bytes per sample of the encodings of AU."""
_IMA_BLOCK_SAMPLES = 64  # of AIFF-C's `ima4`, whose frames are blocks


def wav_seconds(excerpt: Excerpt) -> float | None:
    """Return the duration of a WAV or RF64 file."""
    rate: float | None = None
    for name, at, length in _chunks(excerpt.head, "<"):
        if name == b"fmt ":
            rate = _wav_rate(excerpt.head, at)
        elif name == b"data" and rate:
            return _data_bytes(excerpt, at, length) / rate
    return excerpt.size / rate if rate else None  # the chunks before the data are longer than the excerpt


def _wav_rate(head: bytes, at: int) -> float | None:
    """Return bytes per second; of uncompressed formats as computed, since the declared rate need not be true."""
    tag, _, sample_rate, declared, block = unpack_from("<HHIIH", head, at)
    if not _is_sample_rate(sample_rate):
        return None
    return float(sample_rate * block if tag in _UNCOMPRESSED else declared) or None


def aiff_seconds(excerpt: Excerpt) -> float | None:
    """Return the duration of an AIFF or AIFF-C file."""
    for name, at, length in _chunks(excerpt.head, ">"):
        if name != b"COMM":
            continue
        channels, frames, bits = unpack_from(">HIH", excerpt.head, at)
        sample_rate = _extended(excerpt.head, at + 8)
        if not _is_sample_rate(sample_rate):
            return None
        if excerpt.head[at + 18 : at + 22] == b"ima4" and length > 18:  # noqa: PLR2004 - the bytes of AIFF's COMM
            frames *= _IMA_BLOCK_SAMPLES
        if frames:
            return float(frames / sample_rate)
        return float(excerpt.size / (sample_rate * channels * ((bits + 7) // 8)))
    return None


def au_seconds(excerpt: Excerpt) -> float | None:
    """Return the duration of an AU file."""
    start, length, encoding, sample_rate, channels = unpack_from(">5I", excerpt.head, 4)
    if encoding not in _AU_BYTES or not _is_sample_rate(sample_rate):
        return None
    return float(_data_bytes(excerpt, start, length) / (sample_rate * channels * _AU_BYTES[encoding]))


def caf_seconds(excerpt: Excerpt) -> float | None:
    """Return the duration of a CAF file; with packets of variable size only if `pakt` precedes the data."""
    head, at = excerpt.head, 8
    sample_rate = packet_bytes = packet_frames = 0.0
    while at + 12 <= len(head):
        name, (length,) = head[at : at + 4], unpack_from(">q", head, at + 4)
        at += 12
        if name == b"desc":
            sample_rate, packet_bytes, packet_frames = unpack_from(">d8xII", head, at)
            if not _is_sample_rate(sample_rate):
                return None
        elif name == b"pakt" and sample_rate:
            frames = unpack_from(">qq", head, at)[1]
            return float(frames / sample_rate)
        elif name == b"data" and packet_bytes and packet_frames:
            data = excerpt.size - at if length <= 0 else length - 4
            return float(data / packet_bytes * packet_frames / sample_rate)
        if length < 0:
            return None
        at += length
    return None


def _chunks(head: bytes, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, position and declared length of the data of each chunk that begins in the head of an IFF file."""
    at = 12
    while at + 8 <= len(head):
        (length,) = unpack_from(f"{order}I", head, at + 4)
        yield head[at : at + 4], at + 8, length
        at += 8 + length + length % 2


def _data_bytes(excerpt: Excerpt, start: int, declared: int) -> int:
    """Return how many bytes of audio there are: as declared, unless that is unknown or more than has arrived."""
    present = max(0, excerpt.size - start)
    if declared in {0, _UNKNOWN_SIZE}:
        return present
    return min(declared, present) if excerpt.complete else declared


def _extended(head: bytes, at: int) -> float:
    """Return an 80-bit floating-point number (IEEE 754, x87 extended precision)."""
    exponent, mantissa = unpack_from(">HQ", head, at)
    return float(mantissa * 2.0 ** ((exponent & 0x7FFF) - 16383 - 63))


def _is_sample_rate(rate: float) -> bool:
    return _MIN_SAMPLE_RATE <= rate <= _MAX_SAMPLE_RATE
