"""Decodes recordings with PyAV, in a worker thread, up to a maximum duration.

Samples are 16 kHz, mono, float32 in [-1, 1), as Whisper expects, converted from 16-bit integers as in faster-whisper's
`decode_audio`, so that results are identical where the container has no gaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from speechwhisper.audio.sources import open_media, openable
from speechwhisper.audio.tracks import RATE, decode_track, no_such_track, too_long
from speechwhisper.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from speechwhisper.audio.clock import Gap
    from speechwhisper.audio.sources import Readable

_RAW_READ_BYTES = 64 * 1024
_SAMPLE_BYTES = 2
_FULL_SCALE = 32768.0

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Audio:
    """Decoded audio.

    Attributes:
        samples: Shape (n,), float32, 16 kHz, mono.
        gaps: Stretches without data in the file, which are silent in `samples`.
        damaged: Whether a part of the file could not be decoded.
    """

    samples: Samples
    gaps: tuple[Gap, ...] = ()
    damaged: bool = False

    @property
    def duration(self) -> float:
        """Duration in seconds."""
        return len(self.samples) / RATE


def decode(source: Readable, max_seconds: float, audio_track: int | None = None) -> Audio:
    """Decode one audio track of any media file that FFmpeg supports: the requested one, else the best one.

    Samples are at the times of the container: an audio track that starts later than the video, lost packets, pauses in
    transmission and damage become silence of the same length.

    Raises:
        Problem: `empty_file`, `not_audio`, `no_audio_stream`, `bad_field` if the track does not exist, or
            `audio_too_long` once `max_seconds` are exceeded.
    """
    with openable(source) as file, open_media(file) as container:
        track = decode_track(container, max_seconds, audio_track)
    return Audio(_joined(track.chunks), tuple(track.gaps), bool(track.failures))


def decode_raw(source: Readable, max_seconds: float, audio_track: int | None = None) -> Audio:
    """Return raw audio: signed 16-bit little-endian samples, 16 kHz, mono (`encode=false` of `/asr`).

    Raises:
        Problem: `empty_file`, `bad_field` for any track but the first, or `audio_too_long` once `max_seconds` are
            exceeded.
    """
    if audio_track:
        raise no_such_track(audio_track, 1)
    limit = int(max_seconds * RATE)
    chunks: list[NDArray[np.int16]] = []
    total = 0
    for chunk in _raw_chunks(source):
        total += len(chunk)
        if total > limit:
            raise too_long(max_seconds)
        chunks.append(chunk)
    return Audio(_joined(chunks))


def _raw_chunks(source: Readable) -> Iterator[NDArray[np.int16]]:
    rest = b""
    while chunk := source.read(_RAW_READ_BYTES):
        data = rest + chunk
        whole = len(data) - len(data) % _SAMPLE_BYTES
        rest = data[whole:]
        yield np.frombuffer(data[:whole], dtype="<i2")


def _joined(chunks: Sequence[NDArray[np.int16]]) -> Samples:
    total = sum(len(chunk) for chunk in chunks)
    if not total:
        raise Problem("empty_file", "The recording has no audio samples.")
    samples = np.empty(total, dtype=np.float32)
    at = 0
    for chunk in chunks:
        np.divide(chunk, _FULL_SCALE, out=samples[at : at + len(chunk)], dtype=np.float32)
        at += len(chunk)
    return samples
