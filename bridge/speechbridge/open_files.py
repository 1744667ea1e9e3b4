"""The limit on open files: each connection is one, and so is the temporary file of a large upload."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from speechbridge.telemetry import logs

if TYPE_CHECKING:
    from speechbridge.settings import Settings

_FILES_OF_EACH_REQUEST = 3
"""A connection to Whisper, the file of an upload, and a connection to the language model, which the prefill of a prompt
has meanwhile."""
_OTHERS = 100
"""Listening sockets, clients that follow `/load`, libraries, and room to refuse connections beyond the limit."""


def needed(settings: Settings) -> int:
    """Return how many files may be open at once with these settings."""
    requests = _FILES_OF_EACH_REQUEST * settings.max_concurrent_requests + settings.max_held_requests
    return settings.max_connections + requests + _OTHERS


def raise_limit(settings: Settings) -> None:
    """Raise the soft limit to what the settings need; log a warning if the hard limit is below that.

    Connections beyond the limit would be closed without a line in the log: the event loop has no descriptor for them.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed(settings)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    if limit < wanted:
        logs.warning(
            "limit on open files is too low: raise it, or lower MAX_CONNECTIONS",
            limit=limit,
            needed=wanted,
        )
