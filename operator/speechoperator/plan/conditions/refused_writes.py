"""What the API server refused to write, in its own words and in those of who can change it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

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


def problem(failure: WriteFailure) -> Problem | None:
    """Return what a person has to change, None where the write need only be tried again."""
    subject = f"{failure.ref.kind} {failure.ref.name}".rstrip()
    words = clipped(failure.message) or f"HTTP {failure.code}"
    if passing(failure):
        return None
    if failure.reason == NAME_TAKEN:
        return Problem("NameTaken", subject, words, "Delete that one, or give the pipeline another name")
    if failure.code == _FORBIDDEN and QUOTA in words:
        return Problem("QuotaExceeded", subject, words, "Raise the quota of the namespace")
    if failure.code == _FORBIDDEN and (denied := _DENIED.search(words)):
        return _denied(subject, denied)
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


def _denied(subject: str, denied: re.Match[str]) -> Problem:
    verb, resource, group, namespace = denied.group("verb", "resource", "group", "namespace")
    where = f" in namespace {namespace}" if namespace else ""
    rule = f'apiGroups ["{group}"], resources ["{resource}"], verbs ["{verb}"]'
    return Problem(
        "WriteForbidden",
        subject,
        f"the operator may not {verb} {resource}{where}",
        f"Give the operator's role: {rule}",
    )
