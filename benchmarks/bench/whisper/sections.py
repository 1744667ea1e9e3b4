"""The figures of the Whisper server, each of which can be measured alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import subjects
from bench.whisper import clips, fairness, hour, subject, throughput, words
from bench.whisper.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.report import Section
    from bench.subjects import Stage

FIGURES: dict[str, Callable[[Lab], Section]] = {
    "throughput": throughput.throughput,
    "latency": throughput.latency,
    "wer": words.word_errors,
    "wer-base": words.word_errors_of_base,
    "hour": hour.long_recording,
    "upload": hour.slow_upload,
    "short": hour.beside_hour,
    "bridges": fairness.two_bridges,
}
OF_BASE = ("wer-base",)
MOST_ROUNDS = 3  # each takes most of a minute


def measure(stage: Stage, figure: str, rounds: int, minutes: float, say: Callable[[str], None]) -> Section:
    """Measure one figure with Whisper tiny.en; those in `OF_BASE` with Whisper base.

    Raises:
        NotThereError, MissingError: The server, the weights or the recordings are missing.
    """
    subjects.require(subject.SERVER)
    weights = subject.base() if figure in OF_BASE else subject.tiny()
    with subject.FasterWhisper(weights) as plain:
        lab = Lab(stage, weights, plain, clips.pieces(stage.folder), min(rounds, MOST_ROUNDS), minutes, say)
        return FIGURES[figure](lab)
