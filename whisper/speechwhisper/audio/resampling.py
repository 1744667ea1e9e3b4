"""Converts decoded frames to samples of 16 bits at one rate: mixed to one channel, or each channel by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from speechwhisper.audio.channels import Downmix, planar
from speechwhisper.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from speechwhisper.audio.channels import Samples

MAX_SEPARATE_CHANNELS = 8
"""Of a recording whose channels are transcribed separately: each one costs as much as a recording of its own."""

Chunk = NDArray[np.int16]
"""Consecutive samples, shape (channels, n)."""


class Resampler:
    """Converts the frames of one track, which may change their format in between.

    Args:
        rate: Of the output, in samples per second.
        separate: Whether each channel is kept; otherwise they are mixed to one.

    Attributes:
        channels: Of the output; 0 until known.
    """

    def __init__(self, rate: int, *, separate: bool) -> None:
        self._rate = rate
        self.channels = 0 if separate else 1
        self._format: tuple[str, str, int] | None = None
        self._downmix: Downmix | None = None
        self._resamplers: list[AudioResampler] = []

    def expect(self, frame: AudioFrame) -> None:
        """Fix the number of channels of the output, with the first frame.

        Raises:
            Problem: `bad_field` if it has more channels than can be kept separate.
        """
        if self.channels:
            return
        channels = frame.layout.nb_channels
        if channels > MAX_SEPARATE_CHANNELS:
            limit = f"channels=separate supports at most {MAX_SEPARATE_CHANNELS}; without it, they are mixed."
            raise Problem("bad_field", f"The recording has {channels} channels; {limit}", param="channels")
        self.channels = channels

    def convert(self, frame: AudioFrame) -> Iterator[Chunk]:
        """Yield the samples that are complete with this frame."""
        self.expect(frame)
        # A change of format within the file, as in concatenated recordings, starts a new resampler.
        current = (frame.format.name, frame.layout.name, frame.sample_rate)
        if current != self._format:
            yield from self.flush()
            channels = frame.layout.nb_channels
            self._downmix = Downmix(channels, frame.sample_rate) if channels > 1 else None
            self._format = current
        if not self._resamplers:
            self._resamplers = [self._resampler() for _ in range(self.channels)]
        yield from self._resampled(self._inputs(frame))

    def flush(self) -> Iterator[Chunk]:
        """Yield the samples that the resampler still holds; the next frame starts a new one."""
        if self._resamplers:
            yield from self._resampled([None] * self.channels)
            self._resamplers = []

    def _resampler(self) -> AudioResampler:
        return AudioResampler(format="s16", layout="mono", rate=self._rate)

    def _inputs(self, frame: AudioFrame) -> list[AudioFrame | None]:
        """Return one mono frame per channel of the output."""
        frame.pts = None
        channels = frame.layout.nb_channels
        if channels == self.channels == 1:
            return [frame]
        if channels == self.channels:
            return [_mono(channel, frame.sample_rate) for channel in _planar(frame)]
        # The number of channels changed within the file (unless all are mixed): nothing is lost on the first one.
        mixed = _mono(self._downmix(_planar(frame)), frame.sample_rate) if self._downmix else frame
        silence = np.zeros(frame.samples, dtype=np.float32)
        return [mixed, *(_mono(silence, frame.sample_rate) for _ in range(self.channels - 1))]

    def _resampled(self, frames: Sequence[AudioFrame | None]) -> Iterator[Chunk]:
        outputs = [resampler.resample(frame) for resampler, frame in zip(self._resamplers, frames, strict=True)]
        for channels in zip(*outputs, strict=True):
            arrays: list[Chunk] = [channel.to_ndarray() for channel in channels]
            yield arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _planar(frame: AudioFrame) -> Samples:
    # Not `to_ndarray`: of frames with more than eight channels PyAV 18.1 reads planes that do not exist.
    planes = frame.planes if frame.format.is_planar else frame.planes[:1]
    return planar(planes, frame.format.packed.name, frame.layout.nb_channels, frame.samples)


def _mono(samples: Samples, rate: int) -> AudioFrame:
    """Return a frame of one channel; FFmpeg has no downmix for many layouts, and fails or drops channels."""
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples[np.newaxis]), format="flt", layout="mono")
    frame.sample_rate = rate
    return frame
