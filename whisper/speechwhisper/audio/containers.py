"""Detects, from their first bytes, media files that must be read out of order: pure functions."""

from __future__ import annotations

HEAD_BYTES = 64 * 1024
"""Length of the beginning of a file that `needs_seeking` examines."""

FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,avr,caf,dhav,dsf,dss,dts,dtshd,dv,eac3,flac,flv,gsm,gxf,iff,ilbc,ircam,loas,"
    "matroska,mlp,mmf,mov,mp3,mpc,mpc8,mpeg,mpegts,mxf,nistsphere,nsp,nut,ogg,oma,pvf,qcp,rm,shn,sox,spdif,tak,truehd,"
    "tta,voc,w64,wav,wtv,wv"
)
"""FFmpeg demuxers that may open an upload; `docs/reference/whisper-server.md` lists them.

Each was reviewed: it recognises its format by content, and opens nothing but the upload. Excluded are

- playlists and scripts (`hls`, `concat`, `dash`, `imf`, `sdp`, ...) and formats in several files (`image2`, `mlv`),
  which refer to further files or URLs
- samples without a header (`alaw`, `g722`, `s16le`, ...), which FFmpeg recognises by the name of a file only
- the formats of games, for which nobody needs to trust further parsers
"""

# The first box of an ISO base media file (ISO/IEC 14496-12) or an older QuickTime movie.
_FIRST_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"sidx"})
_WTV = bytes.fromhex("b7d800203749da11a64e0007e95ead8d")  # the GUID of Windows Recorded TV
_BOX_HEADER = 8
_LARGE_BOX_HEADER = 16


def needs_seeking(head: bytes) -> bool:
    """Return whether a file must be read out of order.

    True for MP4 and MOV files with the index (`moov`) after the data, as written by phones and cameras, for Core Audio
    (packet table at the end), for AVI (audio may be stored apart from its index) and for WTV (a file system in a file).

    Args:
        head: The first `HEAD_BYTES` of the file, or all of it.
    """
    if head.startswith((b"caff", _WTV)) or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
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
