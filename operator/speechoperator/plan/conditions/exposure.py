"""Whether the way to the bridge from outside is there: an Ingress, or a route on a Gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube import objects
from speechoperator.plan.conditions.verdicts import Problem, Verdict, worst
from speechoperator.plan.text import clipped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from speechoperator.kube.objects import Object

ANSWERED_SOON = 5.0
"""Seconds that a gateway's controller may take to say something about a new route."""

_MAKING = Verdict(holds=False, reason="RolloutInProgress", message="it is being made")


def ingress(live: Object | None, class_missing: str | None, refused: Sequence[Problem], url: str) -> Verdict:
    """Return whether the Ingress does its work.

    Args:
        live: The Ingress.
        class_missing: As in `Snapshot.ingress_class_missing`.
        refused: Why it could not be written.
        url: What it makes reachable.
    """
    if problem := worst(refused):
        return problem.verdict
    if class_missing is not None:
        return Verdict(holds=False, reason="IngressClassMissing", message=_no_class(class_missing))
    return _MAKING if live is None else Verdict(holds=True, reason="Exposed", message=url)


def route(live: Object | None, refused: Sequence[Problem], url: str, now: datetime) -> tuple[Verdict, float | None]:
    """Return whether the HTTPRoute does its work, and in how many seconds time alone changes that."""
    if problem := worst(refused):
        return problem.verdict, None
    if live is None:
        return _MAKING, None
    parents = objects.status(live).get("parents") or ()
    answers = [answer for parent in parents for answer in parent.get("conditions") or ()]
    if not answers:
        return _unanswered(live, now)
    for answer in answers:
        if answer.get("type") in {"Accepted", "ResolvedRefs"} and answer.get("status") == "False":
            words = f"{answer.get('reason', '')}: {answer.get('message') or ''}"
            return Problem("RouteRefused", f"HTTPRoute {objects.name(live)}", clipped(words)).verdict, None
    return Verdict(holds=True, reason="Exposed", message=url), None


def _unanswered(live: Object, now: datetime) -> tuple[Verdict, float | None]:
    created = live["metadata"].get("creationTimestamp")
    age = (now - objects.parse_time(created)).total_seconds() if created else ANSWERED_SOON
    if age < ANSWERED_SOON:
        waits = Verdict(holds=False, reason="RolloutInProgress", message="no gateway has taken it yet")
        return waits, ANSWERED_SOON - age
    parent = (live.get("spec", {}).get("parentRefs") or [{}])[0]
    words = f"no controller has answered for Gateway {parent.get('name', '')}"
    advice = "Make the Gateway, or change bridge.gateway"
    return Problem("GatewayMissing", f"HTTPRoute {objects.name(live)}", words, advice).verdict, None


def _no_class(name: str) -> str:
    if name:
        return f"the cluster has no IngressClass {name}: install its controller, or change bridge.ingress.className"
    return "the cluster has no default IngressClass: name one in bridge.ingress.className"
