"""Text for conditions and Events: short, on one line, in sentences."""

from __future__ import annotations

_UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
_ONE_DIGIT = 9.95
"""Below this, a number is written with a decimal."""

_MAX_QUOTE_CHARS = 1000
"""Length of a quoted message. A condition may have 32768 characters, but people read a few lines."""


def one_line(text: str) -> str:
    """Return a quoted message on one line, truncated if it is too long to read."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_QUOTE_CHARS else f"{line[:_MAX_QUOTE_CHARS]}..."


def log_tail(log: str, lines: int = 3) -> str:
    """Return the end of a log on one line; the last lines usually say why a program exited."""
    written = [line.strip() for line in log.splitlines() if line.strip()]
    tail = " | ".join(written[-lines:])
    return tail if len(tail) <= _MAX_QUOTE_CHARS else f"...{tail[-_MAX_QUOTE_CHARS:]}"


def sentences(*parts: str) -> str:
    """Join non-empty texts as sentences: ("no space left", "Increase it") is "no space left. Increase it"."""
    return ". ".join(part.rstrip(". ") if part.endswith(".") else part for part in parts if part)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 replica", "2 replicas"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def size(number: float) -> str:
    """Return a number of bytes in decimal units, as Ollama shows sizes: "4.7 GB", "40 GB", "523 MB"."""
    for factor, unit in _UNITS:
        if number >= factor:
            value = number / factor
            return f"{value:.1f} {unit}" if value < _ONE_DIGIT else f"{value:.0f} {unit}"
    return f"{number:.0f} B"


def duration(seconds: int) -> str:
    """Return whole seconds as a duration: "45s", "3m30s", "1h05m"."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{seconds:02}s" if minutes else f"{seconds}s"
