"""MP3 and ADTS (AAC): a sequence of frames, of which the first may tell how many there are.

Sources: ISO/IEC 11172-3 and 13818-3 (frames); Xing's and Fraunhofer's (VBRI) headers as in FFmpeg's `mp3dec.c`;
ISO/IEC 13818-7, section 6.2 (ADTS); id3.org, "ID3 tag version 2.4.0".
"""

from __future__ import annotations

from struct import unpack_from
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechbridge.audio.headers.excerpt import Excerpt

_SAMPLE_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""In Hz, by the bits of the version: 3 is MPEG-1, 2 is MPEG-2, 0 is MPEG-2.5."""
_MPEG1 = 3
_LAYER3, _LAYER2, _LAYER1 = 1, 2, 3
_KBITS = {
    (True, _LAYER1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, _LAYER2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, _LAYER3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, _LAYER1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, _LAYER2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, _LAYER3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""By whether the version is MPEG-1, and the bits of the layer."""
_SIDE_INFO = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}
"""Bytes between the header of a layer III frame and Xing's, by whether it is MPEG-1, and mono."""
_MONO = 3
_VBRI_AT = 36
_HAS_FRAMES = 1
_ADTS_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
_ADTS_HEADER_BYTES = 7
_ID3_HEADER_BYTES = 10


class Frame(NamedTuple):
    """One frame: its length in bytes and its duration in seconds."""

    length: int
    seconds: float


def mp3_seconds(excerpt: Excerpt) -> float | None:
    """Return the duration of an MP3: as its Xing, Info or VBRI header tells, else from the bit rate of its frames."""
    start = after_id3(excerpt.head)
    frame = _mp3_frame(excerpt.head, start)
    if frame is None:
        return None
    count = _vbr_frames(excerpt.head, start)
    return count * frame.seconds if count else _from_frames(excerpt, start, _mp3_frame)


def adts_seconds(excerpt: Excerpt) -> float | None:
    """Return the duration of AAC in ADTS, from the bit rate of its first frames."""
    return _from_frames(excerpt, after_id3(excerpt.head), _adts_frame)


def after_id3(head: bytes) -> int:
    """Return the position behind an ID3v2 tag, which may be beyond the head; 0 without one."""
    if not head.startswith(b"ID3") or len(head) < _ID3_HEADER_BYTES:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | (byte & 0x7F)
    return _ID3_HEADER_BYTES + size


def _from_frames(excerpt: Excerpt, start: int, frame_at: Callable[[bytes, int], Frame | None]) -> float | None:
    """Return the duration if all frames had the mean bit rate of those in the head."""
    at, seconds = start, 0.0
    while (frame := frame_at(excerpt.head, at)) is not None:
        at += frame.length
        seconds += frame.seconds
    return max(0, excerpt.size - start) * seconds / (at - start) if seconds else None


def _mp3_frame(head: bytes, at: int) -> Frame | None:
    if at + 4 > len(head) or head[at] != 0xFF or head[at + 1] & 0xE0 != 0xE0:  # noqa: PLR2004 - the sync word
        return None
    version, layer = head[at + 1] >> 3 & 3, head[at + 1] >> 1 & 3
    bit_rate, sample_rate, padding = head[at + 2] >> 4, head[at + 2] >> 2 & 3, head[at + 2] >> 1 & 1
    rates, mpeg1 = _SAMPLE_RATES.get(version), version == _MPEG1
    if rates is None or not layer or sample_rate == len(rates) or not 0 < bit_rate < 15:  # noqa: PLR2004 - 15 is invalid
        return None
    samples = 384 if layer == _LAYER1 else 1152 if mpeg1 or layer == _LAYER2 else 576
    unit = 4 if layer == _LAYER1 else 1
    length = samples // 8 // unit * _KBITS[mpeg1, layer][bit_rate] * 1000 // rates[sample_rate] + padding
    return Frame(length * unit, samples / rates[sample_rate])


def _vbr_frames(head: bytes, at: int) -> int:
    """Return the number of frames in the header of Xing or Fraunhofer, 0 without one."""
    mpeg1, mono = head[at + 1] >> 3 & 3 == _MPEG1, head[at + 3] >> 6 == _MONO
    xing = at + 4 + _SIDE_INFO[mpeg1, mono]
    if head[xing : xing + 4] in {b"Xing", b"Info"}:
        flags, frames = unpack_from(">II", head, xing + 4)
        return int(frames) if flags & _HAS_FRAMES else 0
    if head[at + _VBRI_AT : at + _VBRI_AT + 4] == b"VBRI":
        return int(unpack_from(">I", head, at + _VBRI_AT + 14)[0])
    return 0


def _adts_frame(head: bytes, at: int) -> Frame | None:
    if at + _ADTS_HEADER_BYTES > len(head) or head[at] != 0xFF or head[at + 1] & 0xF6 != 0xF0:  # noqa: PLR2004 - the sync word
        return None
    rate = head[at + 2] >> 2 & 15
    length = (head[at + 3] & 3) << 11 | head[at + 4] << 3 | head[at + 5] >> 5
    if rate >= len(_ADTS_RATES) or length < _ADTS_HEADER_BYTES:
        return None
    return Frame(length, 1024 * ((head[at + 6] & 3) + 1) / _ADTS_RATES[rate])
