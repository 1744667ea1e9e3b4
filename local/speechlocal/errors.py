"""What can go wrong for the person at the terminal: each error says what happened and what to do."""

from __future__ import annotations


class LocalError(Exception):
    """A failure that is explained rather than shown as a stack trace.

    Args:
        message: what happened, one sentence or more.
        advice: what the reader can do about it; empty when the message already says so.
    """

    code = "failed"
    exit_code = 1

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class UsageError(LocalError):
    """The command line or the environment asks for something that cannot be done."""

    code = "usage"
    exit_code = 2


class MissingError(LocalError):
    """A file or program this command needs is not on this machine."""

    code = "missing"


class ChildError(LocalError):
    """A child process ended early or never began to serve."""

    code = "child"


class RequestError(LocalError):
    """The service refused a request or did not finish its answer.

    Args:
        code: the service's own stable code (`busy`, `not_audio`, ...), or one of `connect`, `timeout`, `incomplete`,
            `http_<status>` where it gave none.
        message: the service's explanation.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
