"""The port behind which speech becomes text; `whisper` is the adapter, tests bring their own."""

import threading
from collections.abc import Callable, Collection
from typing import Protocol

from speechwhisper.audio.decode import Audio
from speechwhisper.recognition.options import Options
from speechwhisper.recognition.transcript import Heard, Segment


class StoppedError(Exception):
    """Nobody waits for the result any more."""


class Decoder(Protocol):
    """A loaded model. Its methods block; each call runs in a worker thread, several at once."""

    @property
    def languages(self) -> Collection[str]:
        """Codes of the languages it knows."""

    def decode(self, audio: Audio, options: Options, emit: Callable[[Segment], None], stop: threading.Event) -> Heard:
        """Decode, calling ``emit`` with each segment as soon as it is known.

        Raises:
            StoppedError: ``stop`` was set; noticed at the next segment or attempt.
        """

    def detect_language(self, audio: Audio, stop: threading.Event) -> tuple[str, float]:
        """Return the code of the language spoken and its probability, 0 to 1."""
