"""The interface of speech recognition; `engine` implements it, tests have their own implementation."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from speechwhisper.audio.decode import Recording
    from speechwhisper.recognition.options import Options
    from speechwhisper.recognition.transcript import Segment, TranscriptionInfo
    from speechwhisper.telemetry.spans import RecognitionTrace


class StoppedError(Exception):
    """The result is no longer needed."""


class BrokenError(Exception):
    """A device failed several times in a row, or lost its CUDA context; only a restart helps."""


class Stop:
    """A flag that one thread sets to stop another, which may be computing or waiting."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set = False
        self._wake_ups: list[Callable[[], None]] = []

    def set(self) -> None:
        """Set the flag and wake those who wait for something else."""
        with self._lock:
            self._set = True
            wake_ups, self._wake_ups = self._wake_ups, []
        for wake_up in wake_ups:
            wake_up()

    def is_set(self) -> bool:
        """Return whether the flag is set."""
        return self._set

    def check(self) -> None:
        """Raise `StoppedError` if the flag is set."""
        if self._set:
            raise StoppedError

    def on_set(self, wake_up: Callable[[], None]) -> None:
        """Call a function once the flag is set, in the thread that sets it; at once if it is set already."""
        with self._lock:
            if not self._set:
                self._wake_ups.append(wake_up)
                return
        wake_up()


@dataclass(frozen=True, slots=True)
class Batch:
    """A decoded batch, for metrics.

    Attributes:
        blocks: Number of blocks in it.
        window: Length of the encoder's window in seconds.
        wait: Seconds that its first block waited for the model.
        duration: Seconds that the model took.
        trace_id: The sampled trace that its first block belongs to, if any.
    """

    blocks: int
    window: float
    wait: float
    duration: float
    trace_id: str = ""


class Decoder(Protocol):
    """A loaded model, shared by all requests. Its methods block; calls run concurrently, each in a worker thread."""

    @property
    def languages(self) -> Collection[str]:
        """Codes of the supported languages."""

    @property
    def broken(self) -> bool:
        """Whether a device failed several times in a row, or lost its CUDA context."""

    def on_broken(self, call: Callable[[], None]) -> None:
        """Call a function once a device is broken, in the thread that notices it; at once if one is broken already."""

    def on_batch(self, call: Callable[[Batch], None]) -> None:
        """Call a function with each batch once it is decoded, in the thread that decodes it."""

    @property
    def batch_size(self) -> int:
        """Largest number of blocks that are decoded together."""

    @property
    def audio_seconds_per_second(self) -> float:
        """The measured speed of all requests together; 0 before the first measurement."""

    def decode(
        self,
        recording: Recording,
        options: Options,
        emit: Callable[[Segment], None],
        stop: Stop,
        trace: RecognitionTrace | None = None,
    ) -> TranscriptionInfo:
        """Decode a recording while it is read, calling `emit` with each segment once decoded, in order.

        `emit` may be called in any thread, by one at a time. `trace` gets each block that the model has decoded.

        Raises:
            StoppedError: `stop` was set.
            Problem: The recording cannot be read.
            BrokenError: A device is broken.
        """

    def detect_language(self, recording: Recording, stop: Stop) -> tuple[str, float]:
        """Return the code of the spoken language and its probability, 0 to 1; errors as `decode`."""

    def close(self) -> None:
        """Stop the model's threads; recordings being decoded fail."""
