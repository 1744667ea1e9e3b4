"""Recognises media containers by their first bytes, and finds audio and video tracks."""

from __future__ import annotations

import re

SIGNATURES = {
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
"""What files of a container begin with, and its name."""
_START_BYTES = 3  # of the shortest signature; no two are alike in them
_BY_START = {signature[:_START_BYTES]: (signature, name) for signature, name in SIGNATURES.items()}
_MPEG_SYNC = 0xFFE0
_LAYER = 0x0006  # of an MPEG frame; 0 in ADTS
_UTF16_BOM = b"\xff\xfe"  # text; as an MPEG frame it would be layer I, which is not in use
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
    if head.startswith((b"RIFF", b"RF64")) and head[8:12] == b"WAVE":
        return "wav"
    signature, name = _BY_START.get(head[:_START_BYTES], (b"", ""))
    if signature and head.startswith(signature):
        return name
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[4:8] == b"ftyp":
        return "mp4"
    word = int.from_bytes(head[:2], "big")
    if word & _MPEG_SYNC == _MPEG_SYNC and head[:2] != _UTF16_BOM:
        return "mp3" if word & _LAYER else "adts"
    return None
