"""The condition Exposed: whether the bridge's Ingress or HTTPRoute works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api.names import INGRESS_CLASS_ANNOTATION
from speechoperator.kube import objects
from speechoperator.plan.conditions.findings import Finding, worst
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from speechoperator.kube.objects import Object

ACCEPTANCE_GRACE_S = 5.0
"""How long a Gateway controller may take to report on a new HTTPRoute."""


_CLASS_FIELD = "bridge.ingress.className"


def ingress(live: Object | None, class_missing: str | None, refused: Sequence[Finding], url: str) -> Verdict:
    """Return whether the Ingress works.

    Args:
        live: The Ingress.
        class_missing: As in `Snapshot.ingress_class_missing`.
        refused: Why it could not be written.
        url: The URL that it exposes.
    """
    if finding := worst(refused):
        return finding.verdict
    if live and (class_missing is None or _is_served(live)):
        return Verdict(status=True, reason=Reason.EXPOSED, message=url)
    if class_missing:
        message = f"IngressClass {class_missing} does not exist: install its controller, or change {_CLASS_FIELD}"
        return Verdict(status=False, reason=Reason.INGRESS_CLASS_MISSING, message=message)
    if live is None:
        return _creating("Ingress")
    message = f"{url}; the cluster has no default IngressClass. If the URL does not respond, set {_CLASS_FIELD}"
    return Verdict(status=None, reason=Reason.NO_DEFAULT_INGRESS_CLASS, message=message)


def http_route(
    live: Object | None, refused: Sequence[Finding], url: str, now: datetime
) -> tuple[Verdict, float | None]:
    """Return whether the HTTPRoute works, and the seconds until that changes by time alone."""
    if finding := worst(refused):
        return finding.verdict, None
    if live is None:
        return _creating("HTTPRoute"), None
    reported = _reported(live)
    if not reported:
        return _unreported(live, now)
    conditions = [condition for condition in reported if _is_current(condition, live)]
    if not conditions:
        message = "the Gateway controller has not processed the latest change of the HTTPRoute yet"
        return Verdict(status=False, reason=Reason.ROLLOUT_IN_PROGRESS, message=message), None
    for condition in conditions:
        if condition.get("type") in {"Accepted", "ResolvedRefs"} and condition.get("status") == "False":
            detail = one_line(f"{condition.get('reason', '')}: {condition.get('message') or ''}")
            return Finding(Reason.ROUTE_NOT_ACCEPTED, f"HTTPRoute {objects.name(live)}", detail).verdict, None
    return Verdict(status=True, reason=Reason.EXPOSED, message=url), None


def _is_served(live: Object) -> bool:
    """Return whether a controller has given an Ingress an address, or recognizes it by an annotation."""
    balancer = objects.status(live).get("loadBalancer") or {}
    return bool(balancer.get("ingress")) or INGRESS_CLASS_ANNOTATION in (live["metadata"].get("annotations") or {})


def _reported(route: Object) -> list[Object]:
    """Return the conditions that controllers report for the Gateway of the route; others may report for their own."""
    wanted = [_parent(ref, route) for ref in route.get("spec", {}).get("parentRefs") or ()]
    return [
        condition
        for parent in objects.status(route).get("parents") or ()
        if _parent(parent.get("parentRef") or {}, route) in wanted
        for condition in parent.get("conditions") or ()
    ]


def _parent(ref: Object, route: Object) -> tuple[str, str, str]:
    return (
        ref.get("namespace") or route["metadata"].get("namespace", ""),
        ref.get("name", ""),
        ref.get("sectionName", ""),
    )


def _is_current(condition: Object, route: Object) -> bool:
    """Return whether a condition is about the current generation, or does not say which one it is about."""
    generation = route["metadata"].get("generation", 0)
    return bool((condition.get("observedGeneration") or generation) >= generation)


def _creating(kind: str) -> Verdict:
    return Verdict(status=False, reason=Reason.ROLLOUT_IN_PROGRESS, message=f"the {kind} is being created")


def _unreported(live: Object, now: datetime) -> tuple[Verdict, float | None]:
    created = live["metadata"].get("creationTimestamp")
    age = (now - objects.parse_time(created)).total_seconds() if created else ACCEPTANCE_GRACE_S
    if age < ACCEPTANCE_GRACE_S:
        message = "no Gateway controller has accepted the HTTPRoute yet"
        waiting = Verdict(status=False, reason=Reason.ROLLOUT_IN_PROGRESS, message=message)
        return waiting, ACCEPTANCE_GRACE_S - age
    parent = (live.get("spec", {}).get("parentRefs") or [{}])[0]
    detail = f"no controller has accepted it for Gateway {parent.get('name', '')}"
    advice = "Create the Gateway, or change bridge.gateway"
    return Finding(Reason.GATEWAY_MISSING, f"HTTPRoute {objects.name(live)}", detail, advice).verdict, None
