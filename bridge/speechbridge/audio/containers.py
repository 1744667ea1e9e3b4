"""What the first bytes of a file tell: which container it is, and about how long the recording lasts."""

from __future__ import annotations

import re
import struct

# Bytes per second of what people send in these containers (speech at usual settings); only used for queue estimates.
_USUAL_RATE = {"mp3": 16_000, "ogg": 6_000, "matroska": 6_000, "mp4": 12_000, "flac": 50_000, "amr": 1_600}
_DEFAULT_RATE = 16_000
_PREFIXES = {
    b"fLaC": "flac",
    b"OggS": "ogg",
    b"\x1aE\xdf\xa3": "matroska",
    b"ID3": "mp3",
    b"#!AMR": "amr",
    b"caff": "caf",
    b".snd": "au",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "asf",
    b"wvPK": "wavpack",
    b"FLV\x01": "flv",
}
_MPEG_SYNC = 0xFFE0
_UTF16_MARK = b"\xff\xfe"  # of text; as a frame it would be MPEG layer I, which nobody sends
_WAV_FORMAT = 20
# How MP4 (ISO/IEC 14496-12, box `hdlr`) and Matroska (RFC 9559, element CodecID) name the kind of a track.
_SOUND = re.compile(rb"hdlr.{8}soun|\x86[\x81-\xff]A_[A-Z]", re.DOTALL)
_PICTURES = re.compile(rb"hdlr.{8}vide|\x86[\x81-\xff]V_[A-Z]", re.DOTALL)
_LONGEST_NAME = 16


class Tracks:
    """Looks for tracks of sound and of pictures in a file that comes in pieces."""

    def __init__(self) -> None:
        self._sound = self._pictures = False
        self._end = b""

    def look(self, piece: bytes) -> None:
        """Look at the next piece."""
        window = self._end + piece
        self._sound = self._sound or _SOUND.search(window) is not None
        self._pictures = self._pictures or _PICTURES.search(window) is not None
        self._end = window[-_LONGEST_NAME:]

    @property
    def silent(self) -> bool:
        """Whether there are pictures, and no sound."""
        return self._pictures and not self._sound


def container_of(head: bytes) -> str | None:
    """Name the container by its first bytes (12 are enough), or None when they are of no audio or video known here."""
    for prefix, name in _PREFIXES.items():
        if head.startswith(prefix):
            return name
    if head.startswith((b"RIFF", b"RF64")) and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[4:8] == b"ftyp":
        return "mp4"
    if len(head) > 1 and int.from_bytes(head[:2], "big") & _MPEG_SYNC == _MPEG_SYNC and head[:2] != _UTF16_MARK:
        return "mp3"  # or ADTS: the rates are alike
    return None


def estimated_seconds(head: bytes, size: int) -> float:
    """Estimate how many seconds of audio `size` bytes with this `head` hold; exact for plain WAV."""
    container = container_of(head)
    if container == "wav":
        at = head.find(b"fmt ")
        if at >= 0 and len(head) >= at + _WAV_FORMAT:
            (rate,) = struct.unpack_from("<I", head, at + 16)
            if rate:
                return size / float(rate)
    return size / _USUAL_RATE.get(container or "", _DEFAULT_RATE)
