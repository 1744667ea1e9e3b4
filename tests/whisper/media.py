"""Media files made on the spot with numpy and PyAV; nothing binary is kept in the repository."""

from __future__ import annotations

import io
import random
import wave
from typing import TYPE_CHECKING

import av
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE = 16_000

Pcm = NDArray[np.int16]


def tone(seconds: float, frequency: float = 440.0) -> Pcm:
    times = np.arange(int(seconds * RATE)) / RATE
    return (8000 * np.sin(2 * np.pi * frequency * times)).astype(np.int16)


def silence(seconds: float) -> Pcm:
    return np.zeros(int(seconds * RATE), dtype=np.int16)


def noise(seconds: float, level: float = 0.1) -> Pcm:
    samples = np.random.default_rng(1).standard_normal(int(seconds * RATE))
    return np.clip(samples * level * 32767, -32768, 32767).astype(np.int16)


def encode(
    samples: Pcm,
    container: str = "wav",
    codec: str = "pcm_s16le",
    *,
    rate: int = RATE,
    options: dict[str, str] | None = None,
) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=options or {}) as output:
        stream = output.add_stream(codec, rate=rate)
        stream.layout = "mono"
        for frame in _frames(samples):
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def encode_channels(samples: list[Pcm], container: str, codec: str, *, rate: int = RATE) -> bytes:
    """A file with one or two channels."""
    buffer = io.BytesIO()
    layout = ("mono", "stereo")[len(samples) - 1]
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.stack(samples, axis=1).reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate = RATE
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def _frames(samples: Pcm) -> Iterator[av.AudioFrame]:
    for start in range(0, len(samples), RATE):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + RATE], format="s16", layout="mono")
        frame.sample_rate = RATE
        frame.pts = start
        yield frame


def muxed(
    container: str,
    *tracks: list[tuple[float, Pcm]],
    codec: str = "aac",
    video: float = 0.0,
    default: int | None = None,
    layout: str = "mono",
) -> bytes:
    """A container with several tracks, each with pieces of sound that begin at their seconds, and nothing between them.

    Args:
        container: FFmpeg's name of the format.
        tracks: Their pieces, in order.
        codec: Of all tracks.
        video: Seconds of black pictures that begin at 0; none by default.
        default: The number of the track with the default flag.
        layout: FFmpeg's name of the channel layout; all channels are the same.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        pictures = output.add_stream("mpeg4", rate=10) if video else None
        streams = [output.add_stream(codec, rate=RATE, layout=layout) for _ in tracks]
        for number, stream in enumerate(streams):
            if default is not None:
                stream.disposition = av.stream.Disposition.default if number == default else av.stream.Disposition(0)
        if pictures is not None:
            pictures.width = pictures.height = 64
            pictures.pix_fmt = "yuv420p"
            for _ in range(int(video * 10)):
                black = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), dtype=np.uint8), format="rgb24")
                output.mux(pictures.encode(black))
            output.mux(pictures.encode(None))
        for stream, pieces in zip(streams, tracks, strict=True):
            for start, samples in pieces:
                for frame in _frames(samples):
                    frame.pts += round(start * RATE)
                    output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    return buffer.getvalue()


def channels(samples: list[Pcm], rate: int = RATE) -> bytes:
    """A WAV with these channels, without a layout: up to 65,535 of them."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(len(samples))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.stack(samples, axis=1).astype("<i2").tobytes())
    return buffer.getvalue()


def mp4_with_index_last(samples: Pcm) -> bytes:
    """An mp4 as a phone records it, with data enough before the index that no buffer spans it."""
    return encode(samples, "mp4", "aac")


def video_without_sound() -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(10):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), dtype=np.uint8), format="rgb24")))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def text(size: int = 5000) -> bytes:
    words = random.Random(7).choices(["lorem", "ipsum", "dolor", "sit", "amet"], k=size)
    return " ".join(words).encode()


def multipart(*parts: tuple[str, bytes], boundary: str = "frontier", end: bool = True) -> tuple[bytes, dict[str, str]]:
    """A form by hand, for what no client library would send. A part is its header line and its content."""
    body = b"".join(f"--{boundary}\r\n{header}\r\n\r\n".encode() + content + b"\r\n" for header, content in parts)
    if end:
        body += f"--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def file_part(content: bytes, field: str = "audio_file", filename: str = "a.wav") -> tuple[str, bytes]:
    return f'Content-Disposition: form-data; name="{field}"; filename="{filename}"', content


def field_part(name: str, content: bytes) -> tuple[str, bytes]:
    return f'Content-Disposition: form-data; name="{name}"', content


def decode_wav(content: bytes) -> Pcm:
    """The samples of a 16 kHz mono wav."""
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)


def join(pieces: list[Pcm], pause: float) -> Pcm:
    """Recordings one after the other, with seconds of silence between them."""
    gap = silence(pause)
    return np.concatenate([part for piece in pieces for part in (piece, gap)][:-1])
