"""Recordings of a known duration, made by FFmpeg's muxers or by hand."""

import io
import struct
from functools import cache

import av
import numpy as np

SECONDS = 20.0


@cache
def encoded(
    container: str,
    codec: str,
    *,
    seconds: float = SECONDS,
    rate: int = 16_000,
    bit_rate: int | None = None,
    seekable: bool = True,
    **options: str,
) -> bytes:
    """Return noise in a container; without `seekable` as a program writes it to a pipe."""
    buffer = io.BytesIO() if seekable else _Pipe()
    noise = np.random.default_rng(1).integers(-3000, 3000, int(seconds * rate), dtype=np.int16)
    with av.open(buffer, "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        for start in range(0, len(noise), rate):
            frame = av.AudioFrame.from_ndarray(noise[None, start : start + rate], format="s16", layout="mono")
            frame.sample_rate, frame.pts = rate, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


class _Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation


def wav(
    *,
    seconds: float = SECONDS,
    rate: int = 16_000,
    before: bytes = b"",
    size: int | None = None,
    byte_rate: int | None = None,
    magic: bytes = b"RIFF",
) -> bytes:
    """Return silence, 16 bit, mono.

    Args:
        seconds: Duration.
        rate: Sample rate in Hz.
        before: Chunks before the format.
        size: The size that the header tells, instead of the real one.
        byte_rate: The bytes per second that the header tells, instead of the real ones.
        magic: RIFF or RF64.
    """
    data = bytes(int(seconds * rate) * 2)
    told = len(data) if size is None else size
    declared = rate * 2 if byte_rate is None else byte_rate
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, declared, 2, 16)
    return struct.pack("<4sI4s", magic, told, b"WAVE") + before + form + struct.pack("<4sI", b"data", told) + data


def chunk(name: bytes, size: int) -> bytes:
    """Return a chunk of a WAV with nothing in it."""
    return struct.pack("<4sI", name, size) + bytes(size + size % 2)


def index_first(mp4: bytes) -> bytes:
    """Return an MP4 with the box `moov`, which FFmpeg writes last, before the audio."""
    at = mp4.rindex(b"moov") - 4
    ftyp = int.from_bytes(mp4[:4], "big")
    return mp4[:ftyp] + mp4[at:] + mp4[ftyp:at]
