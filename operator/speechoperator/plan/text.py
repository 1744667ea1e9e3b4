"""Words for conditions and events: short, and ending as sentences do."""

from __future__ import annotations

_LONGEST = 1000
"""Characters of somebody else's words; a condition may have 32768, a person reads a few lines."""


def clipped(words: str) -> str:
    """Return somebody else's words on one line, cut where they are too long to read."""
    line = " ".join(words.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def last_words(log: str, lines: int = 3) -> str:
    """Return the end of a log on one line: what a program said last tells best why it ended."""
    said = [line.strip() for line in log.splitlines() if line.strip()]
    end = " | ".join(said[-lines:])
    return end if len(end) <= _LONGEST else f"...{end[-_LONGEST:]}"


def sentences(*words: str) -> str:
    """Join words to sentences, the empty ones left out: ("no space left", "Raise it") is "no space left. Raise it"."""
    return ". ".join(said.rstrip(". ") if said.endswith(".") else said for said in words if said)
