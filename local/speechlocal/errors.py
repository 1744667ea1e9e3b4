"""Errors shown to the user: each says what happened and what to do about it."""

from __future__ import annotations


class LocalError(Exception):
    """An error shown as a message instead of a stack trace.

    Args:
        message: what happened, one sentence or more.
        advice: what the user can do about it; empty if the message says so.
    """

    code = "failed"
    exit_code = 1

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class UsageError(LocalError):
    """The command line or the environment is wrong."""

    code = "usage"
    exit_code = 2


class MissingError(LocalError):
    """A file or program that this command needs is missing on this machine."""

    code = "missing"


class ChildError(LocalError):
    """A child process exited early or did not become ready."""

    code = "child"


class RequestError(LocalError):
    """The service rejected a request or did not complete its response.

    Args:
        code: the service's own error code (`busy`, `not_audio`, ...), or one of `connect`, `timeout`, `incomplete`,
            `http_<status>` if it sent none.
        message: the service's explanation.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
