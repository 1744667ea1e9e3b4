"""How a call to a pod can fail, and which failures may be retried."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus


class FailureKind(StrEnum):
    """The classes of upstream failures; also the `kind` label of `speechbridge_upstream_failures_total`."""

    CONNECT = "connect"  # no connection, or no pod at all
    BUSY = "busy"  # the pod, or every pod, is busy
    NO_SPACE = "no_space"  # the pod's disk is full; only files that need a copy there are refused
    MODEL_MISSING = "model_missing"
    BAD_AUDIO = "bad_audio"
    BAD_REQUEST = "bad_request"  # rejected because of its content
    MISCONFIGURED = "misconfigured"  # rejected whatever its content: a wrong model, URL or key in the deployment
    OVERFLOW = "overflow"  # exceeds the model's context length
    TIMEOUT = "timeout"
    DIED = "died"  # the connection broke, or a proxy reports that
    ERROR = "error"  # a complete 5xx: the pod failed at this request
    BAD_ANSWER = "bad_answer"  # not HTTP, not JSON, or not according to the protocol


RETRIABLE = frozenset({
    FailureKind.CONNECT,
    FailureKind.BUSY,
    FailureKind.NO_SPACE,
    FailureKind.MODEL_MISSING,
    FailureKind.DIED,
    FailureKind.ERROR,
    FailureKind.MISCONFIGURED,
    FailureKind.BAD_ANSWER,
})  # fmt: skip
"""Kinds that may be retried at another pod, as long as nothing has been sent to the client."""


MISCONFIGURED_STATUSES = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    }
)
"""With these an upstream rejects the bridge, not the client's request."""


class UpstreamError(Exception):
    """A call to a pod failed.

    Args:
        kind: The class of the failure.
        detail: What happened, human-readable, for the client; contains no address.
        code: The stable code in the pod's response, if it has one (`not_audio`, ...).
        param: The field at fault, if the pod names one.
        retry_after: Seconds after which the pod says that a retry is useful, if it does.
        stale: The pod closed a reused connection before the first byte of a response: the request may be resent.
        sent: Whether anything but the head of the request was sent; if not, the request cannot be the cause.
    """

    def __init__(
        self,
        kind: FailureKind,
        detail: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
        stale: bool = False,
        sent: bool = True,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.code = code
        self.param = param
        self.retry_after = retry_after
        self.stale = stale
        self.sent = sent


_PROXY_FAILURES = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})


def server_error(status: int, detail: str) -> FailureKind:
    """Return the kind of a complete response with a 5xx status.

    The pod is alive: it failed at this request, and may be fine for others. Only what a proxy says in its place,
    without a message in JSON, means that the pod is not.
    """
    return FailureKind.DIED if status in _PROXY_FAILURES and not detail else FailureKind.ERROR
