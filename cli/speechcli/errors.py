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
    """The cluster cannot be reached, or does not have or does not permit what the command needs.

    Args:
        message: what happened.
        advice: what the user can do about it.
        transient: whether another attempt may succeed.
    """

    code = "cluster"
    exit_code = 3

    def __init__(self, message: str, advice: str = "", *, transient: bool = False) -> None:
        super().__init__(message, advice)
        self.transient = transient


class RequestError(CommandError):
    """The service rejected a request or did not complete its response.

    Args:
        code: the service's own error code (`overloaded`, `not_audio`, ...), or one of `connect`, `timeout`,
            `incomplete`, `not_understood`, `http_<status>` if it sent none.
        message: the service's explanation.
        retry_after_s: seconds after which the service asks to try again, if it does.
    """

    def __init__(self, code: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message, ADVICE.get(code, ""))
        self.code = code
        self.retry_after_s = retry_after_s


ADVICE = {
    "invalid_api_key": "send one of the keys in the Secret of spec.bridge.apiKeys: --api-key KEY, or SPEECH_API_KEY",
    "overloaded": "try again later, or allow more replicas: spec.whisper.scaling.maxReplicas",
    "model_not_found": "leave out --model, or use one of the pipeline's: `kubectl speech status NAME`",
}
"""What to do about error codes of the service."""
