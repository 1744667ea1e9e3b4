"""What the API server refused to write, in its own words and in those of who can change it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from speechoperator.api import kinds
from speechoperator.kube.kinds import CLAIM
from speechoperator.plan.conditions.deployments import QUOTA
from speechoperator.plan.conditions.verdicts import Problem, Verdict
from speechoperator.plan.snapshot import NAME_TAKEN
from speechoperator.plan.text import clipped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechoperator.plan.snapshot import WriteFailure

_DENIED = re.compile(
    r'cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)
_FORBIDDEN, _NOT_FOUND, _CONFLICT, _TOO_MANY = 403, 404, 409, 429
_SERVER = 500

_NAMESPACE_ENDS = "because it is being terminated"
_DELETE_OR_RENAME = "Delete that one, or give the pipeline another name"
_OWNER_KEPT = "cannot set an ownerRef on a resource you can't delete"
"""In the words of the admission plugin OwnerReferencesPermissionEnforcement; OpenShift for one turns it on."""
_USE_OR_RENAME = "Name it as cache.existingClaim to use it, or give the pipeline another name"


def problem(failure: WriteFailure) -> Problem | None:
    """Return what a person has to change, None where the write need only be tried again."""
    subject = f"{failure.ref.kind} {failure.ref.name}".rstrip()
    words = clipped(failure.message) or f"HTTP {failure.code}"
    if passing(failure):
        return None
    if failure.reason == NAME_TAKEN:
        holds_data = failure.ref.kind == CLAIM.name
        return Problem("NameTaken", subject, words, _USE_OR_RENAME if holds_data else _DELETE_OR_RENAME)
    if failure.code == _FORBIDDEN and (found := _forbidden(failure.ref.kind, subject, words)):
        return found
    if failure.code == _NOT_FOUND and failure.ref.kind == "HTTPRoute":
        return Problem("GatewayMissing", subject, words, "The cluster has no Gateway API: install it, or use ingress")
    return Problem("WriteRejected", subject, words)


def passing(failure: WriteFailure) -> bool:
    """Tell whether a refusal passes by itself: somebody else wrote first, too much at once, no server."""
    if failure.code == _CONFLICT:
        return failure.reason != NAME_TAKEN
    return failure.code in {0, _TOO_MANY} or failure.code >= _SERVER or _NAMESPACE_ENDS in failure.message


def trouble(failures: Iterable[WriteFailure]) -> Verdict | None:
    """Return how refusals that pass by themselves look in a condition."""
    for failure in sorted(failures, key=lambda failure: (failure.ref, failure.verb, failure.code, failure.message)):
        if passing(failure):
            words = clipped(failure.message) or "no answer"
            subject = f"{failure.verb} {failure.ref.kind} {failure.ref.name}"
            return Verdict(holds=True, reason="Retrying", message=f"{subject}: {words}")
    return None


def _forbidden(kind: str, subject: str, words: str) -> Problem | None:
    if QUOTA in words:
        return Problem("QuotaExceeded", subject, words, "Raise the quota of the namespace")
    if denied := _DENIED.search(words):
        return _denied(subject, denied)
    if _OWNER_KEPT in words:
        of = kinds.BY_NAME[kind]
        return Problem("WriteForbidden", subject, words, _grant(of.group, of.plural, "delete"))
    return None


def _denied(subject: str, denied: re.Match[str]) -> Problem:
    verb, resource, group, namespace = denied.group("verb", "resource", "group", "namespace")
    where = f" in namespace {namespace}" if namespace else ""
    words = f"the operator may not {verb} {resource}{where}"
    return Problem("WriteForbidden", subject, words, _grant(group, resource, verb))


def _grant(group: str, resource: str, verb: str) -> str:
    return f'Give the operator\'s role: apiGroups ["{group}"], resources ["{resource}"], verbs ["{verb}"]'
