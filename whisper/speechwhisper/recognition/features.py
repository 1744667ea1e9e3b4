"""Computes Whisper's log-Mel spectrogram in blocks: the same values with a fraction of the memory.

faster-whisper transforms a recording at once, which takes about 1.2 GB per hour of audio and can exceed a pod's memory
limit. The frames of a short-time Fourier transform are independent; only the final clamp needs their maximum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK_FRAMES = 6000
"""One minute; faster-whisper's own code handles shorter recordings."""


class BlockFeatureExtractor(FeatureExtractor):  # type: ignore[misc]  # faster_whisper ships no types
    """A replacement for `WhisperModel.feature_extractor`."""

    def __call__(
        self, waveform: NDArray[np.float32], padding: int = 160, chunk_length: int | None = None
    ) -> NDArray[np.float32]:
        """Return features of shape (mels, frames), 100 frames per second.

        Args:
            waveform: 16 kHz mono, shape (n,).
            padding: Number of zero samples appended.
            chunk_length: Seconds of one window, if different from the model's.
        """
        frames = (len(waveform) + padding) // self.hop_length
        if frames <= _BLOCK_FRAMES or chunk_length is not None:
            features: NDArray[np.float32] = super().__call__(waveform, padding, chunk_length)
            return features
        half = self.n_fft // 2
        centred = np.pad(np.pad(waveform.astype(np.float32, copy=False), (0, padding)), half, mode="reflect")
        window = np.hanning(self.n_fft + 1)[:-1].astype(np.float32)
        log_mel = np.empty((self.mel_filters.shape[0], frames), dtype=np.float32)
        for first in range(0, frames, _BLOCK_FRAMES):
            last = min(first + _BLOCK_FRAMES, frames)
            piece = centred[first * self.hop_length : (last - 1) * self.hop_length + self.n_fft]
            spectrum = self.stft(
                piece, self.n_fft, self.hop_length, window=window, center=False, return_complex=True
            ).astype(np.complex64)
            mel = self.mel_filters @ (np.abs(spectrum) ** 2)
            log_mel[:, first:last] = np.log10(np.clip(mel, 1e-10, None))
        np.maximum(log_mel, log_mel.max() - 8.0, out=log_mel)
        log_mel += 4.0
        log_mel /= 4.0
        return log_mel
