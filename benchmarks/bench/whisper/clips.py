"""What is transcribed: pieces of a shipped recording with their words, and long files made of it."""

from __future__ import annotations

import itertools
import random
import wave
from array import array
from typing import TYPE_CHECKING

from bench.recordings import FOLDER, Recording, length, normalised
from bench.subjects import NotThereError

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = FOLDER / "austen-leisure-to-consider.wav"
PHRASES = (
    (1.58, "and mister john dashwood"),
    (3.85, "had then leisure to consider how"),
    (4.33, "much"),
    (4.77, "there might"),
    (5.77, "be prudently in his"),
    (6.42, "power to do"),
    (7.19, "for them"),
    (8.18, "he was not"),
    (9.17, "an ill disposed"),
    (10.15, "young man"),
    (12.27, "unless to be rather cold hearted"),
    (13.71, "and rather selfish"),
    (14.45, "is to be"),
    (15.39, "ill disposed"),
)
"""Where each phrase of the recording ends, in seconds: at the quietest moment between two words."""

SHORTEST, LONGEST, SHORT = 1.0, 15.0, 5.0  # seconds
PAUSES = (0.6, 1.5, 0.4, 4.0, 0.8)  # seconds, between two repetitions in a long file
NOISE = 12  # largest sample of a pause: as quiet as the pauses of the recording
RATE = 16_000


def pieces(folder: Path) -> list[Recording]:
    """All runs of phrases that last from 1 to 15 s, in an order that mixes their lengths; written into `folder`.

    Raises:
        NotThereError: The recording is missing.
    """
    samples = read(SOURCE)
    starts = [0.0, *(end for end, _ in PHRASES)]
    found = []
    for first, last in itertools.combinations(range(len(PHRASES) + 1), 2):
        begin, end = starts[first], starts[last]
        if SHORTEST <= end - begin <= LONGEST:
            words = " ".join(text for _, text in PHRASES[first:last])
            path = folder / f"piece-{first:02}-{last:02}.wav"
            write(path, [samples[int(begin * RATE) : int(end * RATE)]])
            found.append(Recording(path, length(path), words))
    random.Random(0).shuffle(found)
    return found


def short(found: list[Recording]) -> list[Recording]:
    """The pieces of at most five seconds."""
    return [piece for piece in found if piece.seconds <= SHORT]


def long_file(folder: Path, seconds: float) -> Recording:
    """One file of at least `seconds`: the recording over and over, with pauses of several lengths in which it is quiet.

    Raises:
        NotThereError: The recording is missing.
    """
    samples = read(SOURCE)
    quiet = random.Random(1)
    noise = array("h", (quiet.randint(-NOISE, NOISE) for _ in range(int(max(PAUSES) * RATE))))
    pauses = itertools.cycle(PAUSES)
    parts: list[array[int]] = []
    count = 0
    while count < seconds * RATE:
        parts += [samples, noise[: int(next(pauses) * RATE)]]
        count += len(parts[-2]) + len(parts[-1])
    path = folder / f"long-{seconds:.0f}.wav"
    write(path, parts)
    words = normalised(SOURCE.with_suffix(".txt").read_text())
    return Recording(path, length(path), " ".join([words] * (len(parts) // 2)))


def read(path: Path) -> array[int]:
    """The samples of a mono 16 kHz .wav file."""
    if not path.is_file():
        raise NotThereError(f"no recording {path}")
    with wave.open(str(path)) as source:
        return array("h", source.readframes(source.getnframes()))


def write(path: Path, parts: list[array[int]]) -> None:
    """Write a mono 16 kHz .wav file."""
    with wave.open(str(path), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(RATE)
        for part in parts:
            target.writeframesraw(part.tobytes())
