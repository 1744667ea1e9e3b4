"""The interface of speech recognition; `faster_whisper` implements it, tests have their own implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection

    from speechwhisper.audio.decode import Audio
    from speechwhisper.recognition.options import Options
    from speechwhisper.recognition.transcript import Segment, TranscriptionInfo


class StoppedError(Exception):
    """The result is no longer needed."""


class Decoder(Protocol):
    """A loaded model. Its methods block; calls run concurrently, each in a worker thread."""

    @property
    def languages(self) -> Collection[str]:
        """Codes of the supported languages."""

    def decode(
        self, audio: Audio, options: Options, emit: Callable[[Segment], None], stop: threading.Event
    ) -> TranscriptionInfo:
        """Decode, calling `emit` with each segment once decoded.

        Raises:
            StoppedError: `stop` was set; checked before each segment and attempt.
        """

    def detect_language(self, audio: Audio, stop: threading.Event) -> tuple[str, float]:
        """Return the code of the spoken language and its probability, 0 to 1."""
