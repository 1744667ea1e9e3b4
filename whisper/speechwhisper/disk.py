"""Temporary files: if there is no room for them, the request is refused as `no_space`."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from speechwhisper.errors import Problem
from speechwhisper.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

_RETRY_AFTER_S = 30
"""The space is needed for uploads in progress: it is free again once they have been decoded."""
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOENT})
"""ENOENT: `tempfile` tries its folders before the first file, and finds none that it can write to."""


@contextmanager
def room() -> Iterator[None]:
    """Refuse the request if a temporary file cannot be made or written in the `with` block.

    Raises:
        Problem: `no_space`.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        logs.warning("no disk space for uploads", reason=str(error))
        detail = f"The disk space for uploads is exhausted; try again in {_RETRY_AFTER_S} s."
        raise Problem("no_space", detail, retry_after=_RETRY_AFTER_S) from None
