"""Mixes the channels of a recording to one: pure functions of samples.

Whisper hears one channel. An average of all channels loses what FFmpeg's downmix would lose too: a voice that is
inverted in one of two channels cancels out, one voice among many silent channels becomes faint, and a channel taken
for low-frequency effects (LFE) is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Buffer = Any
    """An object with the buffer protocol."""

_ACTIVE = 10 ** (-20 / 10)
"""Channels whose power is more than 20 dB below the loudest are left out, and so is a mix that cancels out."""

_MEMORY_S = 0.5
"""Time constant of the measured powers: decisions must not change within a syllable."""

Samples = NDArray[np.float32]

_TYPES = {
    "u8": np.uint8,
    "s16": np.int16,
    "s32": np.int32,
    "s64": np.int64,
    "flt": np.float32,
    "dbl": np.float64,
}


class Downmix:
    """Averages the active channels, or takes the loudest one if they cancel each other out."""

    def __init__(self, channels: int, rate: int) -> None:
        self._rate = rate
        self._powers: NDArray[np.float64] = np.zeros(channels)
        self._mixed_power = 0.0

    def __call__(self, samples: Samples) -> Samples:
        """Return the mix of `samples`: from shape (channels, n) to (n,)."""
        if samples.shape[1] == 0:
            silence: Samples = samples[0]
            return silence
        fresh = not self._powers.any()
        weight = 1.0 if fresh else 1.0 - np.exp(-samples.shape[1] / self._rate / _MEMORY_S)
        self._powers += weight * (_power(samples) - self._powers)
        loudest = int(self._powers.argmax())
        active = samples[self._powers >= _ACTIVE * self._powers[loudest]]
        mixed: Samples = active.mean(axis=0, dtype=np.float32)
        self._mixed_power += weight * (float(_power(mixed[np.newaxis])[0]) - self._mixed_power)
        cancelled = self._mixed_power < _ACTIVE * self._powers[loudest]
        voice: Samples = samples[loudest] if cancelled else mixed
        return voice


def _power(samples: Samples) -> NDArray[np.float64]:
    """Return the mean square of each channel, shape (channels,)."""
    powers: NDArray[np.float64] = np.einsum("ij,ij->i", samples, samples, dtype=np.float64) / samples.shape[1]
    return powers


def planar(planes: Sequence[Buffer], sample_format: str, channels: int, length: int) -> Samples:
    """Return the samples of a frame as float32 in [-1, 1), shape (channels, length).

    Args:
        planes: One per channel, or one with interleaved samples; further ones are ignored.
        sample_format: FFmpeg's name of the type of a sample, without the `p` of planar formats.
        channels: Number of channels.
        length: Samples per channel.
    """
    kind = _TYPES[sample_format]
    if len(planes) >= channels > 1:
        samples = np.stack([np.frombuffer(plane, kind, length) for plane in planes[:channels]])
    else:
        samples = np.frombuffer(planes[0], kind, length * channels).reshape(length, channels).T
    if kind == np.uint8:
        return (samples.astype(np.float32) - 128.0) / 128.0
    if np.issubdtype(kind, np.integer):
        return samples.astype(np.float32) / np.float32(2 ** (8 * np.dtype(kind).itemsize - 1))
    # Values that are not finite would spoil the powers for good.
    return np.nan_to_num(samples.astype(np.float32), copy=False, nan=0.0, posinf=0.0, neginf=0.0)
