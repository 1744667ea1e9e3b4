"""What a test compares of a real model's text: the words.

Nearly equal numbers round differently from one processor to another, and a model then sets another comma, capital or
hyphen, or ends a segment one word later. Compare words; compare word error rates where a word may differ, too.
"""

import re
from pathlib import Path

import jiwer

WORST_WORD_ERROR_RATE = 0.15
"""Of tiny.en on the shipped recordings: the words it mishears depend on the CPU, too. Larger models mishear fewer."""

_TITLE = re.compile(r"\bmr\b")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def words(text: str) -> list[str]:
    """Lower case, no punctuation, compounds taken apart, titles spelled out."""
    return _WORD.findall(_TITLE.sub("mister", text.lower()))


def spelled(text: str) -> str:
    """The words with single spaces between them, to look for a phrase in."""
    return " ".join(words(text))


def transcript(recording: Path) -> str:
    """What is said in a shipped recording."""
    return recording.with_suffix(".txt").read_text(encoding="utf-8").strip()


def word_error_rate(said: str, heard: str) -> float:
    """Substituted, missing and additional words, for each word that was said."""
    return float(jiwer.wer(spelled(said), spelled(heard)))
