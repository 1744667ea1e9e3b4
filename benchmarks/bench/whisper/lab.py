"""What the figures share: the pieces, the two programs, the number of rounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.whisper import subject

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.processes import Process
    from bench.recordings import Recording
    from bench.subjects import Stage
    from bench.whisper.subject import FasterWhisper, Weights


@dataclass(frozen=True)
class Lab:
    """The conditions of a measurement.

    `minutes` is the length of the long file whose speed and memory are measured.
    """

    stage: Stage
    weights: Weights
    plain: FasterWhisper
    pieces: list[Recording]
    rounds: int
    minutes: float
    say: Callable[[str], None]

    @property
    def folder(self) -> Path:
        """A folder for temporary files."""
        return self.stage.folder

    def serve(self) -> Process:
        """Start the server."""
        return self.stage.start(subject.server(self.weights))
