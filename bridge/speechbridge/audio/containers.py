"""Recognises media containers by their first bytes, estimates durations, and finds audio and video tracks."""

from __future__ import annotations

import re
import struct

# Typical rates of speech recordings in these containers, in bytes per second; used only for queue estimates.
_TYPICAL_RATES = {"mp3": 16_000, "ogg": 6_000, "matroska": 6_000, "mp4": 12_000, "flac": 50_000, "amr": 1_600}
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
_UTF16_BOM = b"\xff\xfe"  # text; as an MPEG frame it would be layer I, which is not in use
_WAV_FORMAT_BYTES = 20
# The kind of a track in MP4 (ISO/IEC 14496-12, box `hdlr`) and in Matroska (RFC 9559, element CodecID).
_AUDIO_TRACK = re.compile(rb"hdlr.{8}soun|\x86[\x81-\xff]A_[A-Z]", re.DOTALL)
_VIDEO_TRACK = re.compile(rb"hdlr.{8}vide|\x86[\x81-\xff]V_[A-Z]", re.DOTALL)
_MAX_MATCH_BYTES = 16


class Tracks:
    """Searches a file, fed in chunks, for audio and video tracks."""

    def __init__(self) -> None:
        self._audio = self._video = False
        self._tail = b""

    def feed(self, chunk: bytes) -> None:
        """Search the next chunk."""
        window = self._tail + chunk
        self._audio = self._audio or _AUDIO_TRACK.search(window) is not None
        self._video = self._video or _VIDEO_TRACK.search(window) is not None
        self._tail = window[-_MAX_MATCH_BYTES:]

    @property
    def video_only(self) -> bool:
        """Whether there is a video track and no audio track."""
        return self._video and not self._audio


def container_of(head: bytes) -> str | None:
    """Return the container that a file with these first bytes (12 are enough) has, None if it is not recognised."""
    for prefix, name in _PREFIXES.items():
        if head.startswith(prefix):
            return name
    if head.startswith((b"RIFF", b"RF64")) and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[4:8] == b"ftyp":
        return "mp4"
    if len(head) > 1 and int.from_bytes(head[:2], "big") & _MPEG_SYNC == _MPEG_SYNC and head[:2] != _UTF16_BOM:
        return "mp3"  # or ADTS, at similar rates
    return None


def estimated_seconds(head: bytes, size: int) -> float:
    """Estimate the duration in seconds of `size` bytes that start with `head`; exact for uncompressed WAV."""
    container = container_of(head)
    if container == "wav":
        at = head.find(b"fmt ")
        if at >= 0 and len(head) >= at + _WAV_FORMAT_BYTES:
            (rate,) = struct.unpack_from("<I", head, at + 16)
            if rate:
                return size / float(rate)
    return size / _TYPICAL_RATES.get(container or "", _DEFAULT_RATE)
