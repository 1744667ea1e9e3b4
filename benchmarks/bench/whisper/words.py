"""Word error rates of the server and of faster-whisper, on the same files."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import jiwer

from bench.recordings import normalised, recordings
from bench.report import Figure, Goal, Section
from bench.whisper.clips import long_file
from bench.whisper.http_load import closed_loop
from bench.whisper.subject import SERVER, THREADS

if TYPE_CHECKING:
    from bench.recordings import Recording
    from bench.whisper.lab import Lab

CLIENTS = 16
EVERY_OF_BASE = 4  # one in so many pieces is transcribed by Whisper base, which takes twice as long
PLAIN = "faster-whisper"
MOST_WORSE = 0.2  # percentage points
LONG = 180.0  # seconds: several windows, and a loop would have time to spread


def word_errors(lab: Lab) -> Section:
    """Compare the texts of all pieces, which sixteen clients send, and of whole files."""
    return compare(lab, lab.pieces, [*recordings(), long_file(lab.folder, LONG)])


def word_errors_of_base(lab: Lab) -> Section:
    """The same with a quarter of the pieces and the shipped recordings."""
    return compare(lab, lab.pieces[::EVERY_OF_BASE], recordings())


def compare(lab: Lab, pieces: list[Recording], whole: list[Recording]) -> Section:
    """The word error rates of both programs."""
    figures, goals = [], []
    with lab.serve() as process:
        for what, files in (("pieces", pieces), ("whole files", whole)):
            lab.say(f"whisper: word errors of {len(files)} {what}, {PLAIN}")
            plain = lab.plain.transcribe(files, THREADS, clients=4)
            lab.say(f"whisper: word errors of {len(files)} {what}, {SERVER}")
            answers, _ = asyncio.run(closed_loop(process.url, files, lab.weights, CLIENTS))
            rates = {
                PLAIN: word_error_rate(files, plain.texts),
                SERVER: word_error_rate(files, [answer.text for answer in answers]),
            }
            figures.append(Figure(f"word error rate, {what}", "%", rates))
            goals.append(
                Goal(
                    f"{lab.weights.name}, word error rate of {what}: speechwhisper - {PLAIN}",
                    MOST_WORSE,
                    "points",
                    rates[SERVER] - rates[PLAIN],
                )
            )
    return Section(f"Whisper: word errors ({lab.weights.name})", figures=figures, goals=goals)


def word_error_rate(files: list[Recording], texts: list[str]) -> float:
    """Substituted, missing and additional words, for a hundred that were said."""
    return 100 * float(jiwer.wer([file.words for file in files], [normalised(text) for text in texts]))
