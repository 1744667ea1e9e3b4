"""Why weights could not be fetched: each error in words, with the exit status of the command."""

from __future__ import annotations

from typing import ClassVar


class FetchError(Exception):
    """The weights could not be fetched; the message says why, and what to do."""

    status: ClassVar[int] = 1
    meaning: ClassVar[str] = "other error, such as a folder that is not writable"


class UnknownModelError(FetchError):
    """The hub has no such model or revision, or it is no model for this server."""

    status = 3
    meaning = "unknown model or revision, or no CTranslate2 weights"


class DeniedError(FetchError):
    """The model is private or gated, and the token does not open it."""

    status = 4
    meaning = "access denied: the model is private or gated"


class DiskFullError(FetchError):
    """The weights do not fit on the volume."""

    status = 5
    meaning = "not enough disk space"


class UnreachableError(FetchError):
    """The hub or server cannot be reached, or fails."""

    status = 6
    meaning = "the hub or server is unreachable or fails; another attempt resumes"


class ChecksumError(FetchError):
    """What was received differs from what the source announces."""

    status = 7
    meaning = "wrong checksum"


ERRORS = (FetchError, UnknownModelError, DeniedError, DiskFullError, UnreachableError, ChecksumError)
