"""Requests that the API server rejected or did not answer, classified by what they allow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from speechoperator.errors import OperatorError

_CANNOT = re.compile(r"cannot (?P<verb>\w+) resource")
_WEBHOOK = re.compile(
    r'failed calling webhook "|admission webhook "[^"]*" denied the request|conversion webhook for .+ failed: '
)
"""What the API server says of a webhook that it cannot call (500), or that denies a request with a status of its own
choice: `pkg/admission/plugin/webhook/errors` and `pkg/apiserver/conversion` of Kubernetes 1.34."""
_CODES = {
    0: "unreachable",
    HTTPStatus.UNAUTHORIZED: "unauthorized",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.CONFLICT: "conflict",
    HTTPStatus.UNPROCESSABLE_ENTITY: "invalid",
    HTTPStatus.TOO_MANY_REQUESTS: "throttled",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the API server, in RBAC's terms.

    Attributes:
        verb: "get", "list", "create", "update", "patch" or "delete".
        resource: As `kubectl auth can-i` takes it: "deployments.apps", "pods/status".
        namespace: "" for the whole cluster.
        name: "" for requests that name no object.
    """

    verb: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Return for instance "patch deployments.apps in namespace team-a"."""
        return f"{self.verb} {self.resource}" + (f" in namespace {self.namespace}" if self.namespace else "")


class ApiError(OperatorError):
    """The API server rejected a request, or did not respond.

    Args:
        request: The request.
        status: The HTTP status; 0 without a response.
        reason: The server's CamelCase reason ("Invalid", "AlreadyExists"), "" if it gave none.
        message: The server's message.
        causes: The reasons of its `details.causes`.
        retry_after: Seconds the server asked to wait, if it did.
    """

    def __init__(
        self,
        request: Request,
        status: int,
        reason: str,
        message: str,
        causes: tuple[str, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.request = request
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes
        self.retry_after = retry_after

    @property
    def code(self) -> str:  # type: ignore[override]  # computed: the server has one form for all its errors
        """The class of the error, one of `errors.CODES`."""
        if self.namespace_terminating:
            return "namespace_terminating"
        if self._looks_general and self.from_webhook:
            return "webhook"
        if self.status == HTTPStatus.FORBIDDEN:
            return "forbidden" if self.missing_permission else "denied"
        server_error = self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return _CODES.get(self.status, "server_error" if server_error else "rejected")

    @property
    def missing_permission(self) -> Request | None:
        """What RBAC does not allow, if that is the reason; quotas and admission plugins respond with 403 as well.

        Server-side apply of a missing object needs "create" too, so the verb is read from the message.
        """
        found = _CANNOT.search(self.message) if self.status == HTTPStatus.FORBIDDEN else None
        return (
            Request(found["verb"], self.request.resource, self.request.namespace, self.request.name) if found else None
        )

    @property
    def namespace_terminating(self) -> bool:
        """Whether the namespace is gone or being deleted: nothing can be created in it."""
        gone = self.status == HTTPStatus.NOT_FOUND and self.message.startswith("namespaces ")
        return gone or "NamespaceTerminating" in self.causes

    @property
    def affects_all(self) -> bool:
        """Whether the next request would fail the same way: no response, a failing or overloaded server, no login."""
        return self._looks_general and not self.from_webhook

    @property
    def from_webhook(self) -> bool:
        """Whether an admission or conversion webhook failed or denied the request: others do not pass through it."""
        return bool(_WEBHOOK.search(self.message))

    @property
    def _looks_general(self) -> bool:
        """Whether the status is that of a failing or overloaded server, or of a missing login."""
        return (
            self.status == 0
            or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            or self.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.UNAUTHORIZED}
        )

    @property
    def advice(self) -> str:
        """What went wrong in one sentence; with a missing permission, which one."""
        if permission := self.missing_permission:
            return f"the operator is not allowed to {permission}: {self.message}"
        return self.message or f"could not {self.request}"


_NOT_IN_SCHEMA = "failed to create typed patch object"
"""Message of server-side apply if an object has a field or a type that its schema does not have. The API server answers
500, though only this request is wrong."""


def api_error(request: Request, status: int, body: Any, retry_after: str | None = None) -> ApiError:
    """Return the error for a response that is not a success.

    Args:
        request: The request.
        status: The HTTP status.
        body: The body as JSON: a `Status` of the API, or whatever a proxy sent.
        retry_after: The header `Retry-After`.
    """
    found = body if isinstance(body, dict) and body.get("kind") == "Status" else {}
    details = found.get("details") or {}
    causes = tuple(str(cause.get("reason", "")) for cause in details.get("causes") or ())
    seconds = retry_after or details.get("retryAfterSeconds")
    message = found.get("message") or (body if isinstance(body, str) and body else f"HTTP {status}")
    if status == HTTPStatus.INTERNAL_SERVER_ERROR and str(message).startswith(_NOT_IN_SCHEMA):
        status = HTTPStatus.BAD_REQUEST
    return ApiError(request, status, str(found.get("reason", "")), str(message), causes, _seconds(seconds))


def _seconds(value: Any) -> float | None:
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):  # no number, or a date
        return None
