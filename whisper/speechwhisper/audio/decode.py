"""Decodes recordings with PyAV, in a worker thread, while they are uploaded, up to a maximum duration.

Samples are 16 kHz, 16 bits, mono unless the channels are separate. They are those of faster-whisper's `decode_audio`
where the container has no gaps. Memory is constant in the length of the recording.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from speechwhisper.audio.selection import Selection, no_such_track
from speechwhisper.audio.sources import open_media, openable
from speechwhisper.audio.tracks import MAX_CHUNK, RATE, too_long
from speechwhisper.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from speechwhisper.audio.clock import Gap
    from speechwhisper.audio.resampling import Chunk
    from speechwhisper.audio.sources import Readable
    from speechwhisper.audio.tracks import Track

_SAMPLE_BYTES = 2
_MIN_CHUNK = RATE // 4
"""Length of a chunk in samples, unless it is the last one or a long one follows."""
_MIN_MISSING_S = 1.0
_MIN_MISSING = 0.02
"""Shorter ones are padding of the codec, or the imprecision of an estimate."""
_FULL_SCALE = 32768.0

Samples = NDArray[np.float32]


class Recording:
    """A recording that is decoded as it is read. Its properties hold for what was yielded so far.

    Args:
        source: Its bytes.
        max_seconds: Longest duration.
        raw: Whether it is raw audio: signed 16-bit little-endian samples, 16 kHz, mono (`encode=false` of `/asr`).
        audio_track: Number of the track, 0-based; None for the best one.
        separate_channels: Whether all channels are kept; otherwise they are mixed to one.
        on_channels: Called with the number of channels before the first chunk, in the thread that reads.
    """

    def __init__(
        self,
        source: Readable,
        max_seconds: float,
        *,
        raw: bool,
        audio_track: int | None,
        separate_channels: bool,
        on_channels: Callable[[int], None] | None = None,
    ) -> None:
        self._source = source
        self._max_seconds = max_seconds
        self._raw = raw
        self._audio_track = audio_track
        self._separate = separate_channels
        self._on_channels = on_channels
        self._samples = 0
        self._selection: Selection | None = None

    @property
    def duration(self) -> float:
        """Duration in seconds."""
        return self._samples / RATE

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Stretches without data in the file, which are silent in the samples."""
        track = self._track
        return () if track is None else tuple(track.gaps)

    @property
    def damaged(self) -> bool:
        """Whether a part of the file could not be decoded."""
        track = self._track
        return track is not None and track.failures > 0

    @property
    def missing(self) -> float:
        """Seconds by which the recording is shorter than its file declares, once all chunks were yielded.

        0 if the file declares nothing, no more than rounding, or more than the longest duration: programs that write a
        file to a pipe declare the greatest number there is.
        """
        declared = None if self._selection is None else self._selection.declared_seconds
        if declared is None or declared > self._max_seconds:
            return 0.0
        missing = declared - self.duration
        return missing if missing > max(_MIN_MISSING_S, _MIN_MISSING * declared) else 0.0

    def chunks(self) -> Iterator[Chunk]:
        """Yield the samples in order, as they are decoded: shape (channels, n), 16 kHz, n from 0.25 to one second.

        Samples are at the times of the container: an audio track that starts later than the video, lost packets, pauses
        in transmission and damage become silence of the same length. All chunks have the same number of channels.

        To be called once; closing the iterator closes the file. Exceptions of the source pass through.

        Raises:
            Problem: `empty_file`, `not_audio`, `no_audio_stream`, `bad_field` if the track does not exist or there are
                too many channels to keep them separate, `audio_too_long` once the limit is exceeded, or `no_space` if
                the disk is full.
        """
        with closing(self._raw_chunks() if self._raw else self._media_chunks()) as chunks:
            for chunk in _joined(chunks):
                if not self._samples and self._on_channels is not None:
                    self._on_channels(len(chunk))
                self._samples += chunk.shape[1]
                yield chunk
        if not self._samples:
            raise Problem("empty_file", "The recording has no audio samples.")

    @property
    def _track(self) -> Track | None:
        return None if self._selection is None else self._selection.track

    def _media_chunks(self) -> Generator[Chunk]:
        with openable(self._source) as file, open_media(file) as container:
            self._selection = Selection(container, self._max_seconds, self._audio_track, separate=self._separate)
            yield from self._selection.chunks()

    def _raw_chunks(self) -> Generator[Chunk]:
        if self._audio_track:
            raise no_such_track(self._audio_track, 1)
        rest = b""
        total = 0
        while data := self._source.read(MAX_CHUNK * _SAMPLE_BYTES):
            data = rest + data
            whole = len(data) - len(data) % _SAMPLE_BYTES
            data, rest = data[:whole], data[whole:]
            total += whole // _SAMPLE_BYTES
            if total > self._max_seconds * RATE:
                raise too_long(self._max_seconds)
            yield np.frombuffer(data, np.int16)[np.newaxis]


def _joined(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Join short chunks: a codec has up to 400 frames per second, and each chunk costs the same work downstream."""
    pending: list[Chunk] = []
    length = 0
    for chunk in chunks:
        if length + chunk.shape[1] > MAX_CHUNK:
            yield _concatenated(pending)
            pending, length = [], 0
        pending.append(chunk)
        length += chunk.shape[1]
        if length >= _MIN_CHUNK:
            yield _concatenated(pending)
            pending, length = [], 0
    if pending:
        yield _concatenated(pending)


def _concatenated(chunks: list[Chunk]) -> Chunk:
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks, axis=1)


def open_recording(
    source: Readable,
    max_seconds: float,
    *,
    raw: bool = False,
    audio_track: int | None = None,
    separate_channels: bool = False,
    on_channels: Callable[[int], None] | None = None,
) -> Recording:
    """Return the recording in `source`. Nothing is read before its chunks are; arguments as of `Recording`."""
    return Recording(
        source,
        max_seconds,
        raw=raw,
        audio_track=audio_track,
        separate_channels=separate_channels,
        on_channels=on_channels,
    )


@dataclass(frozen=True, slots=True)
class Audio:
    """A whole recording.

    Attributes:
        samples: Shape (n,), float32 in [-1, 1), 16 kHz, mono.
        gaps: Stretches without data in the file, which are silent in `samples`.
        damaged: Whether a part of the file could not be decoded.
        missing: Seconds by which it is shorter than its file declares.
    """

    samples: Samples
    gaps: tuple[Gap, ...] = ()
    damaged: bool = False
    missing: float = 0.0

    @property
    def duration(self) -> float:
        """Duration in seconds."""
        return len(self.samples) / RATE


def decode(source: Readable, max_seconds: float, audio_track: int | None = None) -> Audio:
    """Decode a whole recording, mixed to one channel; errors as `Recording.chunks`."""
    return _whole(Recording(source, max_seconds, raw=False, audio_track=audio_track, separate_channels=False))


def decode_raw(source: Readable, max_seconds: float, audio_track: int | None = None) -> Audio:
    """Return a whole recording of raw audio; errors as `Recording.chunks`."""
    return _whole(Recording(source, max_seconds, raw=True, audio_track=audio_track, separate_channels=False))


def _whole(recording: Recording) -> Audio:
    samples = np.concatenate([chunk[0] for chunk in recording.chunks()]).astype(np.float32)
    samples /= _FULL_SCALE
    return Audio(samples, recording.gaps, recording.damaged, recording.missing)
