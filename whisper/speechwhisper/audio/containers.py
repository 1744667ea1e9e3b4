"""Which media files must be read out of order, told from their first bytes: pure functions."""

HEAD_BYTES = 64 * 1024
"""How much of a file `needs_seeking` wants to see."""

FORMATS = (
    "aac,ac3,eac3,aiff,alaw,amr,ape,asf,au,avi,caf,dsf,flac,flv,g722,gsm,iff,matroska,mov,mp3,mpeg,mpegts,mulaw,nut,"
    "ogg,oma,opus,rm,tak,truehd,tta,voc,w64,wav,webm,wtv,wv"
)
"""FFmpeg demuxers that may open an upload.

Playlists and scripts (hls, concat, dash, imf, ...) stay out: they name further files or addresses, which FFmpeg would
open on the server's behalf.
"""

# The first box of an ISO base media file (ISO/IEC 14496-12) or an older QuickTime movie.
_FIRST_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"sidx"})
_BOX_HEADER = 8
_LARGE_BOX_HEADER = 16


def needs_seeking(head: bytes) -> bool:
    """Tell whether a file must be read out of order.

    True for an mp4 or mov whose index (``moov``) follows its data, as phones and cameras write it, for Core Audio files
    (their packet table comes last) and for AVI (sound may be stored apart from its index).

    Args:
        head: the first `HEAD_BYTES` of the file, or all of it.
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
