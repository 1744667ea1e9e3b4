"""Decodes recordings with PyAV, in a worker thread, up to a maximum duration.

Samples are 16 kHz, mono, float32 in [-1, 1), as Whisper expects, converted from 16-bit integers as in faster-whisper's
`decode_audio`, so that results are identical.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol

import av
import av.error
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from speechwhisper.audio.containers import FORMATS, HEAD_BYTES, needs_seeking
from speechwhisper.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from av.audio.frame import AudioFrame
    from av.container import InputContainer

RATE = 16_000
"""Samples per second."""

_SPOOL_READ = 1024 * 1024
_RAW_READ = 64 * 1024
_SAMPLE_BYTES = 2
_FULL_SCALE = 32768.0

Samples = NDArray[np.float32]


class Readable(Protocol):
    """A file read from beginning to end."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, at least one unless at the end."""


@dataclass(frozen=True, slots=True)
class Audio:
    """Decoded audio: `samples` has shape (n,), float32, 16 kHz, mono."""

    samples: Samples

    @property
    def duration(self) -> float:
        """Duration in seconds."""
        return len(self.samples) / RATE


def decode(source: Readable, max_seconds: float) -> Audio:
    """Decode the first audio track of any media file that FFmpeg supports; damaged packets are skipped.

    Raises:
        Problem: `empty_file`, `not_audio`, `no_audio_stream`, or `audio_too_long` once `max_seconds` are exceeded.
    """
    head = _read_head(source)
    if not head:
        raise Problem("empty_file", "The file is empty.")
    with _openable(_Replayed(head, source), spool=needs_seeking(head)) as file, _open(file) as container:
        if not container.streams.audio:
            raise Problem("no_audio_stream", f"The file ({container.format.name}) has no audio track.")
        track = _Track(container)
        samples = _collect(_resampled(track), max_seconds)
    if not len(samples) and track.damaged:
        raise Problem("not_audio", "The audio track cannot be decoded.")
    return _audio(samples)


def decode_raw(source: Readable, max_seconds: float) -> Audio:
    """Return raw audio: signed 16-bit little-endian samples, 16 kHz, mono (`encode=false` of `/asr`).

    Raises:
        Problem: `empty_file`, or `audio_too_long` once `max_seconds` are exceeded.
    """
    return _audio(_collect(_raw_chunks(source), max_seconds))


def _audio(samples: Samples) -> Audio:
    if not len(samples):
        raise Problem("empty_file", "The recording has no audio samples.")
    return Audio(samples)


class _Replayed:
    """A source with its head prepended; without `seek`, so PyAV reads it as a stream."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._rest.read(size)
        cut = size if size >= 0 else len(self._head)
        chunk, self._head = self._head[:cut], self._head[cut:]
        return chunk


def _read_head(source: Readable) -> bytes:
    head = bytearray()
    while len(head) < HEAD_BYTES and (chunk := source.read(HEAD_BYTES - len(head))):
        head += chunk
    return bytes(head)


def _openable(source: _Replayed, *, spool: bool) -> AbstractContextManager[IO[bytes] | _Replayed]:
    """Return the source or, for a file read out of order, an unlinked temporary copy."""
    if not spool:
        return nullcontext(source)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the caller
    try:
        shutil.copyfileobj(source, file, _SPOOL_READ)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _open(file: IO[bytes] | _Replayed) -> InputContainer:
    try:
        return av.open(file, "r", options={"format_whitelist": FORMATS}, metadata_errors="ignore")
    except (av.error.FFmpegError, ValueError) as error:
        raise Problem("not_audio", "The file is not audio or video that can be decoded.") from error


class _Track:
    """The frames of the first audio track; damaged packets are skipped and counted."""

    def __init__(self, container: InputContainer) -> None:
        self._container = container
        self.damaged = 0

    def __iter__(self) -> Iterator[AudioFrame]:
        packets = self._container.demux(self._container.streams.audio[0])
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError:  # the rest of the container is unreadable
                self.damaged += 1
                return
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self.damaged += 1
                continue
            yield from frames


def _resampled(frames: Iterable[AudioFrame]) -> Iterator[NDArray[np.int16]]:
    """Yield 16 kHz mono; a change of format within the file, as in joined recordings, starts a new resampler."""
    resampler: AudioResampler | None = None
    shape: tuple[str, str, int] | None = None
    for frame in frames:
        frame.pts = None  # gaps between timestamps are not silence
        current = (frame.format.name, frame.layout.name, frame.sample_rate)
        if current != shape:
            yield from _flushed(resampler)
            resampler, shape = AudioResampler(format="s16", layout="mono", rate=RATE), current
        if resampler is not None:
            yield from (out.to_ndarray()[0] for out in resampler.resample(frame))
    yield from _flushed(resampler)


def _flushed(resampler: AudioResampler | None) -> Iterator[NDArray[np.int16]]:
    if resampler is not None:
        yield from (out.to_ndarray()[0] for out in resampler.resample(None))


def _raw_chunks(source: Readable) -> Iterator[NDArray[np.int16]]:
    rest = b""
    while chunk := source.read(_RAW_READ):
        data = rest + chunk
        whole = len(data) - len(data) % _SAMPLE_BYTES
        rest = data[whole:]
        yield np.frombuffer(data[:whole], dtype="<i2")


def _collect(chunks: Iterator[NDArray[np.int16]], max_seconds: float) -> Samples:
    limit = int(max_seconds * RATE)
    kept: list[NDArray[np.int16]] = []
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > limit:
            raise Problem("audio_too_long", f"The recording is longer than {max_seconds:g} s, this server's limit.")
        kept.append(chunk)
    samples = np.empty(total, dtype=np.float32)
    at = 0
    for chunk in kept:
        np.divide(chunk, _FULL_SCALE, out=samples[at : at + len(chunk)], dtype=np.float32)
        at += len(chunk)
    return samples
