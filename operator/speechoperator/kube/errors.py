"""Requests that the API server rejected, or did not answer, classified."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from speechoperator.errors import OperatorError

_CANNOT = re.compile(r"cannot (?P<verb>\w+) resource")


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked of the API server, in RBAC's words.

    Attributes:
        verb: "get", "list", "create", "update", "patch" or "delete".
        resource: As `kubectl auth can-i` takes it: "deployments.apps", "pods/status".
        namespace: "" where it concerns the whole cluster.
        name: "" where it concerns no single object.
    """

    verb: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Return for instance "patch deployments.apps in namespace team-a"."""
        return f"{self.verb} {self.resource}" + (f" in namespace {self.namespace}" if self.namespace else "")


class ApiError(OperatorError):
    """The API server refused, or did not answer.

    Args:
        request: What was asked.
        status: The HTTP status; 0 when there was no answer.
        reason: The server's CamelCase word ("Invalid", "AlreadyExists"), "" when it gave none.
        message: Its words.
        causes: The reasons of its `details.causes`.
        retry_after: Seconds it asked to wait, if it did.
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
    def code(self) -> str:  # type: ignore[override]  # one class, as the server has one kind of answer
        """The class of the failure: a few stable words."""
        named = {
            0: "unreachable",
            HTTPStatus.NOT_FOUND: "not_found",
            HTTPStatus.CONFLICT: "conflict",
            HTTPStatus.UNPROCESSABLE_ENTITY: "invalid",
            HTTPStatus.TOO_MANY_REQUESTS: "throttled",
            HTTPStatus.UNAUTHORIZED: "unauthorized",
        }
        if self.namespace_ends:
            return "namespace_ends"
        if self.status == HTTPStatus.FORBIDDEN:
            return "forbidden" if self.missing_right else "denied"
        return named.get(self.status, "server" if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "refused")

    @property
    def missing_right(self) -> Request | None:
        """What RBAC does not allow, where that is it; a quota or an admission plugin answers 403 as well.

        Server-side apply of an object that is not there needs "create" too, so the verb is read from the answer.
        """
        found = _CANNOT.search(self.message) if self.status == HTTPStatus.FORBIDDEN else None
        return (
            Request(found["verb"], self.request.resource, self.request.namespace, self.request.name) if found else None
        )

    @property
    def namespace_ends(self) -> bool:
        """Whether the namespace is gone or being deleted: whatever was to be written has no place any more."""
        gone = self.status == HTTPStatus.NOT_FOUND and self.message.startswith("namespaces ")
        return gone or "NamespaceTerminating" in self.causes

    @property
    def concerns_all(self) -> bool:
        """Whether the next request would fail likewise: no answer, a broken or an overloaded server, no login."""
        return (
            self.status == 0
            or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            or self.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.UNAUTHORIZED}
        )

    @property
    def advice(self) -> str:
        """What went wrong in a sentence for a person; of a missing right, which one."""
        if right := self.missing_right:
            return f"the operator may not {right}: {self.message}"
        return self.message or f"could not {self.request}"


def api_error(request: Request, status: int, body: Any, retry_after: str | None = None) -> ApiError:
    """Read an answer that is no success.

    Args:
        request: What was asked.
        status: Its HTTP status.
        body: Its body as JSON: a `Status` of the API, or whatever a proxy in between says.
        retry_after: Its header `Retry-After`.
    """
    found = body if isinstance(body, dict) and body.get("kind") == "Status" else {}
    details = found.get("details") or {}
    causes = tuple(str(cause.get("reason", "")) for cause in details.get("causes") or ())
    seconds = retry_after or details.get("retryAfterSeconds")
    message = found.get("message") or (body if isinstance(body, str) and body else f"HTTP {status}")
    return ApiError(request, status, str(found.get("reason", "")), str(message), causes, _seconds(seconds))


def _seconds(value: Any) -> float | None:
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):  # absent, or a date
        return None
