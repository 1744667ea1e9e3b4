"""Errors shown to the user: each says what happened and what to do about it."""

from __future__ import annotations


class CommandError(Exception):
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


class UsageError(CommandError):
    """The command line or the environment is wrong."""

    code = "usage"
    exit_code = 2


class ClusterError(CommandError):
    """The cluster cannot be reached, or does not have or does not permit what the command needs."""

    code = "cluster"
    exit_code = 3


class RequestError(CommandError):
    """The service rejected a request or did not complete its response.

    Args:
        code: the service's own error code (`overloaded`, `not_audio`, ...), or one of `connect`, `timeout`,
            `incomplete`, `not_understood`, `http_<status>` if it sent none.
        message: the service's explanation.
        advice: what the user can do about it.
    """

    def __init__(self, code: str, message: str, advice: str = "") -> None:
        super().__init__(message, advice)
        self.code = code
