"""A recording whose language is wanted, and nothing else."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from speechwhisper.recognition.port import StoppedError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from speechwhisper.recognition.blocks import Block
    from speechwhisper.recognition.port import Stop


class Detection:
    """A block whose language is detected once it is its recording's turn.

    Args:
        block: The beginning of the recording.
        stop: Ends it.
    """

    def __init__(self, block: Block, stop: Stop) -> None:
        self.block = block
        self._stop = stop
        self._changed = threading.Condition()
        self._outcome: tuple[str, float] | BaseException | None = None
        stop.on_set(self._wake)

    @property
    def owner(self) -> Detection:
        """The only block of its request."""
        return self

    @property
    def group(self) -> Hashable:
        """The same for all: they are decoded together."""
        return Detection

    @property
    def stopped(self) -> bool:
        """Whether its result is no longer needed."""
        return self._stop.is_set() or self._outcome is not None

    def deliver(self, language: tuple[str, float]) -> None:
        """Take the code of the language and its probability."""
        self._end(language)

    def fail(self, error: BaseException) -> None:
        """End it with an error."""
        self._end(error)

    def result(self) -> tuple[str, float]:
        """Wait for the code of the language and its probability.

        Raises:
            StoppedError: It was stopped.
            Exception: That with which it failed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.stopped)
            outcome = self._outcome
        if isinstance(outcome, tuple):
            return outcome
        raise outcome or StoppedError

    def _end(self, outcome: tuple[str, float] | BaseException) -> None:
        with self._changed:
            self._outcome = self._outcome or outcome
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
