"""Advice on failed pulls, and when a pull is retried."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_MIN_DELAY_S = 5.0
_MAX_DELAY_S = 300.0
_JITTER_SHARE = 0.25
_MAX_DOUBLINGS = 10  # beyond that the delay is capped anyway

COPY_FAILED = "cannot copy"
"""Begins the error of a copy, in which Ollama asks no registry."""
_NO_COPY = f"^(?!{COPY_FAILED} ).*"

_ADVICE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), advice)
    for pattern, advice in (
        (r"no space left|not enough space|disk quota|the volume holds", "Increase ollama.cache.size"),
        (rf"{_NO_COPY}(?:file does not exist|manifest unknown|not found)", "The registry has no model of this name"),
        (
            r"server gave HTTP response to HTTPS client",
            "The registry has no TLS: set insecure: true on the model",
        ),
        (r"insecure protocol", "The registry has no TLS: set insecure: true on the model"),
        (r"x509|certificate|tls:", "The Ollama pods do not trust the registry's certificate"),
        (r"digest mismatch", "The registry or a proxy served damaged data; the layer is pulled again"),
        (r"unauthorized|denied|status code 40[13]", "The registry requires credentials; Ollama has none"),
        (r"newer version of Ollama|status code 412|\b412\b", "Set ollama.image to a newer version of Ollama"),
        (r"no such host|server misbehaving", "The pods cannot resolve the registry's host name"),
        (
            r"connection refused|i/o timeout|network is unreachable|no route to host|deadline exceeded",
            "The pods cannot reach the registry",
        ),
        (r"read-only file system|permission denied", "The volume of ollama.cache must be writable by group 10001"),
    )
)

_LASTING = re.compile(
    r"no space left|not enough space|disk quota|the volume holds|digest mismatch|read-only file system", re.IGNORECASE
)
"""Errors that come only after bytes, and come again: a full volume, damaged data."""
_OF_CONNECTION = re.compile(
    r"connection|i/o timeout|\bEOF\b|no progress in time|ended early|stalled|max retries exceeded|deadline exceeded"
    r"|network is unreachable|no route to host|no such host|server misbehaving|TLS handshake timeout",
    re.IGNORECASE,
)


def advice(error: str) -> str:
    """Return what to do about an error of Ollama; empty if unknown."""
    return next((advised for pattern, advised in _ADVICE if pattern.search(error)), "")


def overcome(error: str) -> bool:
    """Return whether bytes that come after this error show that its cause is gone: the connection was lost."""
    return bool(_OF_CONNECTION.search(error)) and not _LASTING.search(error)


def retry_at(attempts: int, now: datetime, jitter: float = 0.0) -> datetime:
    """Return when to retry a pull after so many consecutive failures: after 5 s, 10 s, ... up to 5 min.

    Args:
        attempts: The failures.
        now: The time of the last one.
        jitter: A number from 0 to 1; the delay is up to a quarter longer.
    """
    delay = min(_MAX_DELAY_S, _MIN_DELAY_S * 2.0 ** min(max(attempts, 1) - 1, _MAX_DOUBLINGS))
    return now + timedelta(seconds=delay * (1 + _JITTER_SHARE * jitter))
