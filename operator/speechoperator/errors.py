"""What can go wrong between the operator and others, with what is needed to decide what to do about it.

A refusal of the API server is data, not a crash: it is classified here, reported in a condition where a person can mend
it, and tried again with a growing delay.
"""

from __future__ import annotations

import os


class OperatorError(Exception):
    """Base of all errors of the operator. `code` is stable; metrics count by it."""

    code = "internal"


class NotLeadingError(OperatorError):
    """A write was wanted after the right to write had ended."""

    code = "not_leading"


class OllamaError(OperatorError):
    """Ollama refused, failed or did not answer. The message is its own words, or the connection's."""

    code = "ollama"


def in_words(error: OSError) -> str:
    """Return the system's own words: "Connection refused", "Name or service not known"."""
    if error.errno and error.errno > 0:  # of a failed look-up of a name it is negative
        return os.strerror(error.errno)
    return error.strerror or str(error)
