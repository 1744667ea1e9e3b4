"""The state of a component: whether it is available, its replicas, and its rollout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechoperator.kube import objects
from speechoperator.plan.conditions import deployments, drains, pods, pvcs, rollouts
from speechoperator.plan.conditions.component_findings import worst_finding
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.text import one_line

if TYPE_CHECKING:
    from datetime import datetime

    from speechoperator.api.names import Component
    from speechoperator.plan.conditions.findings import Finding
    from speechoperator.plan.conditions.inputs import Inputs
    from speechoperator.plan.snapshot import Health


@dataclass(frozen=True, slots=True)
class ComponentState:
    """The state of a component.

    Attributes:
        component: The component.
        available: Whether it serves, with at least the required replicas.
        desired: Desired number of replicas; None, like the next two, for an external service.
        replicas: Actual number of replicas.
        ready: Number of ready replicas.
        summary: Ready and desired replicas: "1/2".
        replicas_reason: Why this number of replicas was chosen.
        rollout: What its rollout is waiting for; None if it is complete.
        shortage: Why fewer replicas than desired are ready; None if that is not a finding.
        requeue_after: Seconds until the state changes by time alone; None if it does not.
    """

    component: Component
    available: Verdict
    desired: int | None = None
    replicas: int | None = None
    ready: int | None = None
    summary: str = ""
    replicas_reason: str = ""
    rollout: Verdict | None = None
    shortage: Verdict | None = None
    requeue_after: float | None = None


def external(component: Component, url: str, health: Health | None, *, has_auth: bool = False) -> ComponentState:
    """Return the state of an external service.

    Args:
        component: The component.
        url: Its URL.
        health: The result of the latest probe, None before it.
        has_auth: Whether the bridge sends it an API key.
    """
    if health is None:
        verdict = Verdict(status=None, reason=Reason.NOT_PROBED, message=f"{url} has not been probed yet")
    elif health.rejected:
        key = "the bridge sends its API key" if has_auth else f"set {component}.auth if it requires an API key"
        message = f"{url} responds and rejects requests without credentials; {key}"
        verdict = Verdict(status=True, reason=Reason.CREDENTIALS_REQUIRED, message=message)
    elif health.healthy:
        verdict = Verdict(status=True, reason=Reason.AVAILABLE, message=f"{url} responds")
    else:
        message = f"{url}: {one_line(health.detail) or 'no response'}"
        verdict = Verdict(status=False, reason=Reason.EXTERNAL_UNREACHABLE, message=message)
    return ComponentState(component, verdict, summary="external", replicas_reason=f"external service at {url}")


def managed(inputs: Inputs, now: datetime) -> ComponentState:
    """Return the state of a component whose pods the operator runs."""
    counts = deployments.counts(inputs.deployment)
    # While the counts are of an older spec, only ready replicas that are among the current pods are believed.
    ready_pods = sum(1 for pod in inputs.active_pods if objects.holds(pod, "Ready"))
    ready = counts.ready if counts.current else min(counts.ready, ready_pods)
    finding = worst_finding(inputs, now)
    waits = [
        wait
        for pod in inputs.active_pods
        if (wait := pods.seconds_until_overdue(pod, now, inputs.node_grace_s)) is not None
    ]
    if (drain := drains.seconds_until_over(inputs, now)) is not None:
        waits.append(drain)
    return ComponentState(
        inputs.component,
        _available(inputs, ready, finding, now),
        desired=inputs.desired,
        replicas=counts.replicas,
        ready=ready,
        summary=f"{ready}/{inputs.desired}",
        replicas_reason=inputs.replicas_reason,
        rollout=rollouts.verdict(inputs, counts, finding),
        shortage=finding.verdict if finding and ready < inputs.desired else None,
        requeue_after=min(waits, default=None),
    )


def _available(inputs: Inputs, ready: int, finding: Finding | None, now: datetime) -> Verdict:
    count = f"{ready} of {inputs.desired} ready"
    if inputs.suspended:
        return Verdict(status=False, reason=Reason.SUSPENDED, message="spec.suspend is true")
    if inputs.required == 0:
        return Verdict(status=False, reason=Reason.SCALED_TO_ZERO, message=inputs.replicas_reason)
    if ready >= inputs.required:
        kept = pvcs.kept_size(inputs.pvc, inputs.cache_size) if inputs.pvc else ""
        return Verdict(status=True, reason=Reason.AVAILABLE, message=f"{count}; {kept}" if kept else count)
    if finding:
        return Verdict(status=False, reason=finding.reason, message=f"{count}; {finding.message}")
    return _waiting(inputs, count, now)


def _waiting(inputs: Inputs, count: str, now: datetime) -> Verdict:
    for successor, predecessor in drains.predecessors(inputs, now).items():
        message = f"{count}; pod {successor} waits for pod {predecessor} to finish its requests"
        return Verdict(status=False, reason=Reason.STARTING, message=message)
    for pod in inputs.active_pods:
        if why := pods.waits_for_node(pod):
            message = f"{count}; pod {objects.name(pod)} waits for a node: {why}"
            return Verdict(status=False, reason=Reason.WAITING_FOR_NODE, message=message)
    if any(inputs.waits_for_models(pod) for pod in inputs.active_pods):
        return Verdict(status=False, reason=Reason.WAITING_FOR_MODELS, message=f"{count}; waiting for its models")
    return Verdict(status=False, reason=Reason.STARTING, message=f"{count}{_waiting_for(inputs, now)}")


def _waiting_for(inputs: Inputs, now: datetime) -> str:
    for pod in inputs.active_pods:
        if not objects.holds(pod, "Ready"):
            return f"; pod {objects.name(pod)} is starting"
    for pod in inputs.draining_pods(now):
        return f"; waiting for pod {objects.name(pod)} to finish its requests"
    for pod in inputs.pods:
        if objects.terminating(pod) and not objects.finished(pod):
            return f"; pod {objects.name(pod)} is still terminating: its node may be down"
    return ""
