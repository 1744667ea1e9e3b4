"""Detects, from their first bytes, media files that must be read out of order: pure functions."""

from __future__ import annotations

HEAD_BYTES = 64 * 1024
"""Length of the beginning of a file that `needs_seeking` examines."""

FORMATS = (
    "aac,ac3,eac3,aiff,alaw,amr,ape,asf,au,avi,caf,dhav,dsf,dss,dts,dtshd,dv,flac,flv,g722,gsm,iff,ircam,loas,matroska,"
    "mlp,mov,mp3,mpc,mpc8,mpeg,mpegts,mulaw,mxf,nistsphere,nut,ogg,oma,opus,qcp,rm,shn,sox,tak,truehd,tta,voc,w64,wav,"
    "webm,wtv,wv"
)
"""FFmpeg demuxers that may open an upload.

Playlists and scripts (hls, concat, dash, imf, ...) are excluded: they refer to further files or URLs, which FFmpeg
would open.
"""

# The first box of an ISO base media file (ISO/IEC 14496-12) or an older QuickTime movie.
_FIRST_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"sidx"})
_BOX_HEADER = 8
_LARGE_BOX_HEADER = 16


def needs_seeking(head: bytes) -> bool:
    """Return whether a file must be read out of order.

    True for MP4 and MOV files with the index (`moov`) after the data, as written by phones and cameras, for Core Audio
    (packet table at the end) and for AVI (audio may be stored apart from its index).

    Args:
        head: The first `HEAD_BYTES` of the file, or all of it.
    """
    if head[:4] == b"caff" or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return True
    return head[4:8] in _FIRST_BOXES and not _index_comes_first(head)


def _index_comes_first(head: bytes) -> bool:
    at = 0
    while at + _BOX_HEADER <= len(head):
        size, kind = int.from_bytes(head[at : at + 4]), head[at + 4 : at + _BOX_HEADER]
        if kind in {b"moov", b"moof"}:
            return True
        if kind == b"mdat":
            return False
        if size == 1:  # the real size follows in eight bytes
            size = int.from_bytes(head[at + _BOX_HEADER : at + _LARGE_BOX_HEADER])
        if size < _BOX_HEADER:
            return False
        at += size
    return False
