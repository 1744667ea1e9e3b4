"""The recorded voices of `examples/audio`, each with the words that are spoken."""

from __future__ import annotations

import re
import wave
from dataclasses import dataclass
from pathlib import Path

from bench.subjects import NotThereError

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "audio"


@dataclass(frozen=True)
class Recording:
    """A .wav file, its length in seconds, and its transcript: lower case, no punctuation."""

    path: Path
    seconds: float
    words: str

    @property
    def audio(self) -> bytes:
        """The whole file."""
        return self.path.read_bytes()


def recordings() -> list[Recording]:
    """All recordings that have a transcript beside them.

    Raises:
        NotThereError: there is none.
    """
    found = [
        Recording(path, length(path), normalised(path.with_suffix(".txt").read_text()))
        for path in sorted(FOLDER.glob("*.wav"))
        if path.with_suffix(".txt").is_file()
    ]
    if not found:
        raise NotThereError(f"no recordings in {FOLDER}")
    return found


def joined(pieces: list[Recording], seconds: float, target: Path) -> Recording:
    """One recording of at least `seconds`: the pieces, which are of one format, over and over."""
    total, words = 0.0, []
    with wave.open(str(target), "wb") as out:
        for number in range(1000):
            piece = pieces[number % len(pieces)]
            with wave.open(str(piece.path)) as source:
                if number == 0:
                    out.setparams(source.getparams())
                out.writeframes(source.readframes(source.getnframes()))
            total += piece.seconds
            words.append(piece.words)
            if total >= seconds:
                break
    return Recording(target, total, " ".join(words))


def length(path: Path) -> float:
    """Seconds of a .wav file."""
    with wave.open(str(path)) as source:
        frames, rate = source.getnframes(), source.getframerate()
    return float(frames / rate)


def normalised(text: str) -> str:
    """Lower case, words and single spaces, titles spelled out: what a word error rate compares."""
    return " ".join(re.findall(r"[a-z0-9']+", re.sub(r"\bmr\b", "mister", text.lower())))
