"""How a call to a pod can fail, and what each kind of failure allows."""

from __future__ import annotations

from enum import StrEnum


class FailureKind(StrEnum):
    """The classes of upstream failures; also the `kind` label of `speechbridge_upstream_failures_total`."""

    CONNECT = "connect"  # no connection, or no pod at all
    BUSY = "busy"  # the pod, or every pod, says it is busy
    MODEL_MISSING = "model_missing"
    BAD_AUDIO = "bad_audio"
    BAD_REQUEST = "bad_request"  # refused for what was asked
    OVERFLOW = "overflow"  # longer than the model's context
    TIMEOUT = "timeout"
    DIED = "died"  # the connection broke, or a 5xx
    BAD_ANSWER = "bad_answer"  # not HTTP, not JSON, or not what was agreed


RETRIED_ELSEWHERE = frozenset({FailureKind.CONNECT, FailureKind.BUSY, FailureKind.DIED, FailureKind.BAD_ANSWER})
"""Kinds that another pod may do better at, as long as nothing has gone to the client."""


class UpstreamError(Exception):
    """A call to a pod failed.

    Args:
        kind: The class of the failure.
        detail: What happened, in words for the caller; names no address.
        code: The pod's own stable code, where it speaks our contract (`not_audio`, ...).
        stale: The pod closed a connection that had been idle, before it answered a byte: the request may be sent anew.
    """

    def __init__(
        self,
        kind: FailureKind,
        detail: str,
        *,
        code: str | None = None,
        stale: bool = False,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.code = code
        self.stale = stale
