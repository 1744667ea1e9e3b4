"""Decodes an audio track to 16 kHz samples, each at its time, chunk by chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import av.error
import numpy as np

from speechwhisper.audio.clock import Clock
from speechwhisper.audio.resampling import Resampler
from speechwhisper.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.packet import Packet

    from speechwhisper.audio.clock import Gap
    from speechwhisper.audio.resampling import Chunk

    AnyPacket = Packet[Any]

RATE = 16_000
"""Samples per second."""

MAX_CHUNK = RATE
"""Longest chunk in samples: one second."""


class Track:
    """An audio track, decoded packet by packet.

    Attributes:
        index: Of its stream in the container.
        samples: Per channel, so far.
        failures: How many packets could not be decoded.
    """

    def __init__(self, stream: AudioStream, origin: float | None, max_seconds: float, *, separate: bool) -> None:
        self.index = stream.index
        self.samples = 0
        self.failures = 0
        self._max_seconds = max_seconds
        self._clock = Clock(origin, max_seconds)
        self._resampler = Resampler(RATE, separate=separate)
        self._damaged = False

    @property
    def gaps(self) -> Sequence[Gap]:
        """The stretches that were filled with silence, so far."""
        return self._clock.gaps

    def feed(self, packet: AnyPacket) -> Iterator[Chunk]:
        """Decode a packet; a damaged one is skipped, and its time becomes silence.

        Raises:
            Problem: `audio_too_long`, or `bad_field` if there are too many channels to keep them separate.
        """
        if packet.is_corrupt:
            self.skip()
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            self.skip()
            return
        for frame in frames:
            yield from self._decoded(cast("AudioFrame", frame))  # of an audio stream

    def skip(self) -> None:
        """Record that data was damaged."""
        self.failures += 1
        self._damaged = True

    def finish(self) -> Iterator[Chunk]:
        """Yield the last samples, after the last packet."""
        yield from self._counted(self._resampler.flush())

    def _decoded(self, frame: AudioFrame) -> Iterator[Chunk]:
        seconds = frame.samples / frame.sample_rate
        self._resampler.expect(frame)
        if self._clock.gap_before(frame.time, damaged=self._damaged):
            yield from self._counted(self._resampler.flush())
            # From the start of the recording, so that rounding does not accumulate.
            missing = max(0, round(self._clock.position * RATE) - self.samples)
            self._count(missing)
            yield from silence(self._resampler.channels, missing)
        self._clock.advance(seconds)
        self._damaged = False
        yield from self._counted(self._resampler.convert(frame))

    def _counted(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            self._count(chunk.shape[1])
            for start in range(0, chunk.shape[1], MAX_CHUNK):
                yield chunk[:, start : start + MAX_CHUNK]

    def _count(self, samples: int) -> None:
        self.samples += samples
        if self.samples > self._max_seconds * RATE:
            raise too_long(self._max_seconds)


def silence(channels: int, samples: int) -> Iterator[Chunk]:
    """Yield so many samples of silence on each channel."""
    for start in range(0, samples, MAX_CHUNK):
        yield np.zeros((channels, min(MAX_CHUNK, samples - start)), dtype=np.int16)


def too_long(max_seconds: float) -> Problem:
    """Return the problem of a recording that exceeds the limit."""
    return Problem("audio_too_long", f"The recording is longer than {max_seconds:g} s, this server's limit.")
