"""What to do about a pull that failed, and when it is tried again."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_FIRST = 5.0
_LONGEST = 300.0
_DOUBLINGS = 10  # more would only make numbers that the longest wait cuts off

_ADVICE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), advice)
    for pattern, advice in (
        (r"no space left|not enough space|disk quota", "Raise ollama.cache.size"),
        (r"file does not exist|manifest unknown|not found", "The registry has no model of this name"),
        (r"server gave HTTP response to HTTPS client", "The registry has no TLS: set insecure: true on the model"),
        (r"insecure protocol", "The registry has no TLS: set insecure: true on the model"),
        (r"x509|certificate|tls:", "The Ollama pods do not trust the registry's certificate"),
        (r"unauthorized|denied|status code 40[13]", "The registry wants a login that Ollama does not have"),
        (r"newer version of Ollama|status code 412|\b412\b", "Set ollama.image to a newer Ollama"),
        (r"no such host|server misbehaving", "The pods cannot resolve the registry's name"),
        (
            r"connection refused|i/o timeout|network is unreachable|no route to host|deadline exceeded",
            "The pods cannot reach the registry",
        ),
        (r"read-only file system|permission denied", "The volume of ollama.cache must be writable for gid 10001"),
    )
)


def advice(error: str) -> str:
    """Return what a person can do about Ollama's error, empty where nothing is known."""
    return next((advised for pattern, advised in _ADVICE if pattern.search(error)), "")


def retry_at(attempts: int, now: datetime) -> datetime:
    """Return when a pull may start again that has failed so many times in a row: after 5 s, 10 s, ... at most 5 min."""
    return now + timedelta(seconds=min(_LONGEST, _FIRST * 2.0 ** min(max(attempts, 1) - 1, _DOUBLINGS)))
