"""Findings about writes that the API server refused."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from speechoperator.api import kinds
from speechoperator.kube.kinds import PVC
from speechoperator.plan.conditions.deployments import QUOTA
from speechoperator.plan.conditions.findings import Finding
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.snapshot import NAME_CONFLICT, WRITE_CONFLICT
from speechoperator.plan.text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from speechoperator.kube.objects import Ref
    from speechoperator.plan.snapshot import WriteFailure

_DENIED = re.compile(
    r'cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)
_NAMESPACE_TERMINATING = "because it is being terminated"
_DELETE_OR_RENAME = "Delete that object, or give the pipeline another name"
_USE_OR_RENAME = "Set cache.existingClaim to use it, or give the pipeline another name"
_STOP_THE_OTHER = "Stop the other writer, or let it leave the field alone"
_OWNER_KEPT = "cannot set an ownerRef on a resource you can't delete"
"""The message of the admission plugin OwnerReferencesPermissionEnforcement, which OpenShift enables."""
_NO_RESPONSE = 0
_READ_VERBS = frozenset({"get", "list", "watch"})


def relevant(failures: Iterable[WriteFailure], pending: Collection[Ref]) -> tuple[WriteFailure, ...]:
    """Return the failures that still matter: of pending writes, and of reads."""
    return tuple(failure for failure in failures if failure.ref in pending or failure.verb in _READ_VERBS)


def finding(failure: WriteFailure) -> Finding | None:
    """Return what has to be changed for a write to succeed; None if it only has to be retried."""
    subject = f"{failure.ref.kind} {failure.ref.name}".rstrip()
    detail = one_line(failure.message) or f"HTTP {failure.code}"
    if is_transient(failure):
        return None
    if failure.reason == NAME_CONFLICT:
        advice = _USE_OR_RENAME if failure.ref.kind == PVC.name else _DELETE_OR_RENAME
        return Finding(Reason.NAME_CONFLICT, subject, detail, advice)
    if failure.reason == WRITE_CONFLICT:
        return Finding(Reason.WRITE_CONFLICT, subject, detail, _STOP_THE_OTHER)
    if failure.code == HTTPStatus.FORBIDDEN and (forbidden := _forbidden(failure.ref.kind, subject, detail)):
        return forbidden
    if failure.code == HTTPStatus.NOT_FOUND and failure.ref.kind == "HTTPRoute":
        advice = "The cluster has no Gateway API: install it, or use bridge.ingress"
        return Finding(Reason.GATEWAY_MISSING, subject, detail, advice)
    return Finding(Reason.WRITE_REJECTED, subject, detail)


def unreadable(failures: Iterable[WriteFailure]) -> Verdict | None:
    """Return which kind of object cannot be listed, and why; None if there is none."""
    failure = min(failures, key=lambda failure: failure.ref, default=None)
    if failure is None:
        return None
    found = finding(failure)
    if found and found.reason is Reason.FORBIDDEN:
        return Verdict(status=None, reason=Reason.LIST_FAILED, message=found.message)
    message = f"cannot list {failure.ref.kind} objects: {one_line(failure.message) or 'no response'}"
    return Verdict(status=None, reason=Reason.LIST_FAILED, message=message)


def is_transient(failure: WriteFailure) -> bool:
    """Return whether a failure passes by itself: a conflicting write, too many requests, an unavailable server."""
    if failure.code == HTTPStatus.CONFLICT:
        return failure.reason != NAME_CONFLICT
    return (
        failure.code in {_NO_RESPONSE, HTTPStatus.TOO_MANY_REQUESTS}
        or failure.code >= HTTPStatus.INTERNAL_SERVER_ERROR
        or _NAMESPACE_TERMINATING in failure.message
    )


def retrying(failures: Iterable[WriteFailure]) -> Verdict | None:
    """Return the verdict on transient failures; None if there are none."""
    for failure in sorted(failures, key=lambda failure: (failure.ref, failure.verb, failure.code, failure.message)):
        if is_transient(failure):
            subject = f"{failure.verb} {failure.ref.kind} {failure.ref.name}"
            message = f"{subject}: {one_line(failure.message) or 'no response'}"
            return Verdict(status=True, reason=Reason.RETRYING, message=message)
    return None


def _forbidden(kind: str, subject: str, detail: str) -> Finding | None:
    if QUOTA in detail:
        return Finding(Reason.QUOTA_EXCEEDED, subject, detail, "Raise the quota of the namespace")
    if denied := _DENIED.search(detail):
        return _denied(subject, denied)
    if _OWNER_KEPT in detail:
        of = kinds.BY_NAME[kind]
        return Finding(Reason.FORBIDDEN, subject, detail, _rule(of.group, of.plural, "delete"))
    return None


def _denied(subject: str, denied: re.Match[str]) -> Finding:
    verb, resource, group, namespace = denied.group("verb", "resource", "group", "namespace")
    where = f" in namespace {namespace}" if namespace else ""
    message = f"the operator is not allowed to {verb} {resource}{where}"
    return Finding(Reason.FORBIDDEN, subject, message, _rule(group, resource, verb))


def _rule(group: str, resource: str, verb: str) -> str:
    return f'Add to the operator\'s role: apiGroups ["{group}"], resources ["{resource}"], verbs ["{verb}"]'
