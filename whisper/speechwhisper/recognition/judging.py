"""Judges what the model made of a block, and decides what to try next; pure functions.

The thresholds are those of openai-whisper (`whisper/transcribe.py`, `decode_with_fallback`).
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING

from speechwhisper.recognition.tuning import FULL_WINDOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechwhisper.recognition.blocks import Block

LOG_PROB_THRESHOLD = -1.0
FIRST_LOG_PROB_THRESHOLD = -0.7
"""Of the first attempt, which is the cheapest: the next ones often find what it does not."""
NO_SPEECH_THRESHOLD = 0.6
COMPRESSION_RATIO_THRESHOLD = 2.4

_TAIL_SECONDS = 0.6
"""More speech than this after the last segment means that the model lost the end of the block: it stopped at a
timestamp. In a window that fits the block it does so more often than in the full one."""

MAX_CHARACTERS_PER_SECOND = 40.0
"""Twice as fast as fast speech in any language."""
_FAST_CHARACTERS_PER_SECOND = 25.0
"""Faster than most speech: in a window that fits the block, the model sometimes says everything twice."""
_SHORT_S = 1.0
_LOOP = re.compile(r"(.{1,80}?)\1{5,}", re.DOTALL)
"""The same up to 80 characters, six times or more in a row. A short loop passes the check for repetition."""


class Verdict(Enum):
    """The judgement of an attempt."""

    KEEP = "keep"
    SILENT = "silent"
    """Nobody speaks in the block."""
    AGAIN = "again"
    """Decode the block again with the next attempt."""


class Doubt(StrEnum):
    """Why a stretch of a transcript is doubtful."""

    REPETITION = "repetition"
    IMPROBABLE = "improbable"
    TOO_FAST = "too_fast"
    INCOMPLETE = "incomplete"
    NO_SPEECH = "no_speech"
    NO_WORDS = "no_words"


@dataclass(frozen=True, slots=True)
class Attempt:
    """How a block is decoded.

    Attributes:
        temperature: 0 for the most probable text; above, it is sampled.
        window: Frames of the encoder's window.
        beam_search: Whether several beams are searched; otherwise the most probable token is taken each time.
        alone: Whether the block is decoded in a batch of its own, since what failed once may be slow.
    """

    temperature: float
    window: int
    beam_search: bool = False
    alone: bool = False

    @property
    def full_window(self) -> bool:
        """Whether the window is 30 s, as in training."""
        return self.window == FULL_WINDOW


@dataclass(frozen=True, slots=True)
class Result:
    """What the model made of a block.

    Attributes:
        text: Without timestamps.
        last_end: Seconds from the block's start to the end of its last segment.
        avg_logprob: Mean log-probability of the tokens.
        no_speech_prob: Probability of silence.
        complete: Whether the text ended before the token limit.
    """

    text: str
    last_end: float
    avg_logprob: float
    no_speech_prob: float
    complete: bool = True

    @property
    def compression_ratio(self) -> float:
        """High for repetitions."""
        return compression_ratio(self.text)


def attempts(temperatures: Sequence[float], windows: Sequence[int], *, accurate: bool = False) -> list[Attempt]:
    """Return what is tried in turn: greedy searches in larger and larger windows, beam search, other temperatures.

    Args:
        temperatures: In the order in which they are tried.
        windows: Those that the block fits into, in frames, ascending; the last one is the full window.
        accurate: Start with the beam search in the full window.
    """
    coldest, *warmer = temperatures
    first, *larger = windows[-1:] if accurate else windows
    if coldest > 0:
        tried = [Attempt(coldest, first)]
        warmer = list(temperatures) if larger else warmer
    elif accurate:
        tried = [Attempt(coldest, first, beam_search=True)]
    else:
        tried = [Attempt(coldest, first)]
        tried += [Attempt(coldest, window, alone=True) for window in larger[:-1]]
        tried.append(Attempt(coldest, FULL_WINDOW, beam_search=True, alone=True))
    return tried + [Attempt(temperature, FULL_WINDOW, alone=True) for temperature in warmer]


def judge(result: Result, block: Block, attempt: Attempt) -> Verdict:
    """Judge an attempt."""
    if _improbable(result, attempt) and result.no_speech_prob > NO_SPEECH_THRESHOLD:
        # A window that fits the block is not what the model was trained with.
        return Verdict.SILENT if attempt.full_window and not _first(attempt) else Verdict.AGAIN
    return Verdict.KEEP if failure(result, block, attempt) is None else Verdict.AGAIN


def failure(result: Result, block: Block, attempt: Attempt) -> Doubt | None:
    """Return why an attempt failed; None if it did not."""
    if result.compression_ratio > COMPRESSION_RATIO_THRESHOLD or _LOOP.search(result.text):
        return Doubt.REPETITION
    if not result.text:
        return Doubt.NO_WORDS
    if _improbable(result, attempt):
        return Doubt.IMPROBABLE
    fastest = MAX_CHARACTERS_PER_SECOND if attempt.full_window else _FAST_CHARACTERS_PER_SECOND
    if len(result.text) > fastest * max(block.seconds, _SHORT_S):
        return Doubt.TOO_FAST
    if not result.complete or (not attempt.full_window and lost_tail(result, block)):
        return Doubt.INCOMPLETE
    return None


def _improbable(result: Result, attempt: Attempt) -> bool:
    return result.avg_logprob < (FIRST_LOG_PROB_THRESHOLD if _first(attempt) else LOG_PROB_THRESHOLD)


def _first(attempt: Attempt) -> bool:
    return attempt.temperature == 0 and not attempt.alone and not attempt.beam_search


def lost_tail(result: Result, block: Block) -> bool:
    """Return whether the model lost the end of the block."""
    left = block.speech_seconds_after(result.last_end) - block.margin_after
    return 0 < result.last_end < block.seconds and left > _TAIL_SECONDS


def best_of(results: Sequence[Result]) -> int:
    """Return the index of the best result after all attempts failed: the most probable that is not repetitive."""
    sound = [at for at, one in enumerate(results) if one.compression_ratio <= COMPRESSION_RATIO_THRESHOLD]
    return max(sound or range(len(results)), key=lambda at: results[at].avg_logprob)


def compression_ratio(text: str) -> float:
    """Return the compression ratio of the text, high for repetitions (openai-whisper, `utils.py`)."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))
