"""How a part stands: its replicas, whether it serves, and whether it is as the spec wants it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from speechoperator.api.names import MODELS_READY
from speechoperator.kube import objects
from speechoperator.plan.conditions import claims, deployments, pods
from speechoperator.plan.conditions.verdicts import Verdict, worst
from speechoperator.plan.text import clipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from speechoperator.kube.objects import Object
    from speechoperator.plan.conditions.deployments import Counts
    from speechoperator.plan.conditions.verdicts import Problem
    from speechoperator.plan.snapshot import Health


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a part is to be.

    Attributes:
        part: "whisper", "ollama" or "bridge".
        desired: Replicas that there should be, those that an autoscaler adds included.
        floor: Replicas that the spec asks for at least; with that many ready the part is available.
        why: Why so many replicas.
        gpu: Name of the resource by which it asks for GPUs, empty without any.
        suspended: Whether the whole pipeline is stopped.
        changing: Whether its Deployment is yet to be written for the spec that is there.
    """

    part: str
    desired: int
    floor: int
    why: str = ""
    gpu: str = ""
    suspended: bool = False
    changing: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is of a part.

    Attributes:
        deployment: Its Deployment.
        claim: The claim that the operator made for it.
        pods: Its pods, by name, those that end and have ended included.
        pod_warnings: As in `Snapshot`.
        claim_warning: The claim's newest Warning event, empty without one.
        refused: Writes of its objects that the API server refused for good.
    """

    deployment: Object | None = None
    claim: Object | None = None
    pods: Sequence[Object] = ()
    pod_warnings: Mapping[str, str] = field(default_factory=dict)
    claim_warning: str = ""
    refused: Sequence[Problem] = ()

    @property
    def alive(self) -> list[Object]:
        """The pods that count."""
        return [pod for pod in self.pods if objects.alive(pod)]


@dataclass(frozen=True, slots=True)
class ComponentState:
    """How a part stands.

    Attributes:
        available: Whether it serves, with as many replicas as the spec asks for at least.
        desired: Replicas that there should be; None, like the other two, where the part runs elsewhere.
        replicas: Replicas that there are.
        ready: Replicas that are ready.
        summary: Ready and desired replicas in short.
        why: Why so many.
        rollout: What keeps the part from being what the spec wants, None when it is.
        shortage: What keeps replicas beyond the floor from being ready, None when nothing does.
        requeue_after: Seconds until time alone changes this, None where it does not.
    """

    part: str
    available: Verdict
    desired: int | None = None
    replicas: int | None = None
    ready: int | None = None
    summary: str = ""
    why: str = ""
    rollout: Verdict | None = None
    shortage: Verdict | None = None
    requeue_after: float | None = None


def elsewhere(part: str, url: str, health: Health | None) -> ComponentState:
    """Return how a part stands that runs elsewhere."""
    if health is None:
        verdict = Verdict(holds=None, reason="NotChecked", message=f"{url} was not asked yet")
    elif health.healthy:
        verdict = Verdict(holds=True, reason="Available", message=f"{url} answers")
    else:
        message = f"{url}: {clipped(health.detail) or 'no answer'}"
        verdict = Verdict(holds=False, reason="ExternalUnreachable", message=message)
    return ComponentState(part, verdict, summary="external", why=f"runs at {url}")


def managed(wanted: Wanted, seen: Seen, now: datetime) -> ComponentState:
    """Return how a part stands whose pods the operator runs."""
    counts = deployments.counts(seen.deployment)
    serving = sum(1 for pod in seen.alive if objects.holds(pod, "Ready"))
    # What a Deployment says about an older spec counts no further than the pods bear it out.
    ready = counts.ready if counts.fresh else min(counts.ready, serving)
    problem = worst(_problems(wanted, seen, now)) or _stuck(seen)
    as_wanted = _as_wanted(wanted, counts) and not seen.refused
    waits = [wait for pod in seen.alive if (wait := pods.patience(pod, now)) is not None]
    return ComponentState(
        wanted.part,
        _available(wanted, seen, ready, problem),
        desired=wanted.desired,
        replicas=counts.replicas,
        ready=ready,
        summary=f"{ready}/{wanted.desired}",
        why=wanted.why,
        rollout=None if as_wanted else _rollout(wanted, counts, problem),
        shortage=problem.verdict if problem and ready < wanted.desired else None,
        requeue_after=min(waits, default=None),
    )


def _problems(wanted: Wanted, seen: Seen, now: datetime) -> Iterator[Problem]:
    yield from seen.refused
    if wanted.suspended:
        return
    if seen.claim and (problem := claims.problem(seen.claim, seen.claim_warning, wanted.part)):
        yield problem
    if seen.deployment and (problem := deployments.not_made(seen.deployment)):
        yield problem
    for pod in seen.pods:
        warning = seen.pod_warnings.get(objects.name(pod), "")
        if objects.terminating(pod):
            continue
        if problem := pods.problem(pod, warning, now, gpu=wanted.gpu, part=wanted.part):
            yield problem


def _stuck(seen: Seen) -> Problem | None:
    """A rollout that only waits for its models is not stuck, however long that takes."""
    if seen.deployment is None or _waits_for_models(seen.alive):
        return None
    return deployments.stuck(seen.deployment)


def _waits_for_models(alive: Sequence[Object]) -> bool:
    """Tell whether all that a pod waits for is the gate that its models open."""
    return any(
        MODELS_READY in objects.gates(pod) and objects.containers_ready(pod) and not objects.holds(pod, MODELS_READY)
        for pod in alive
    )


def _as_wanted(wanted: Wanted, counts: Counts) -> bool:
    """Tell whether all pods are of the spec that is there, and as many as it asks for at least."""
    written = counts.there and counts.fresh and not wanted.changing
    if wanted.floor == 0:
        return written and counts.replicas == 0
    return written and counts.updated >= wanted.floor and counts.replicas <= counts.updated


def _rollout(wanted: Wanted, counts: Counts, problem: Problem | None) -> Verdict:
    if problem:
        return problem.verdict
    if wanted.floor == 0:
        message = f"{wanted.part}: {counts.replicas} replicas finish their requests"
    elif wanted.changing or not counts.fresh or counts.updated < wanted.floor:
        message = f"{wanted.part}: its pods are being made as the spec wants them"
    else:
        message = f"{wanted.part}: replicas of before are still there: {counts.replicas - counts.updated}"
    return Verdict(holds=True, reason="RolloutInProgress", message=message)


def _available(wanted: Wanted, seen: Seen, ready: int, problem: Problem | None) -> Verdict:
    count = f"{ready} of {wanted.desired} ready"
    if wanted.suspended:
        return Verdict(holds=False, reason="Suspended", message="suspend is true")
    if wanted.floor == 0:
        return Verdict(holds=False, reason="ScaledToZero", message=f"{wanted.part}.replicas is 0")
    if ready >= wanted.floor:
        return Verdict(holds=True, reason="Available", message=count)
    if problem:
        return Verdict(holds=False, reason=problem.reason, message=f"{count}; {problem.message}")
    if _waits_for_models(seen.alive):
        return Verdict(holds=False, reason="WaitingForModels", message=f"{count}; its models are not there yet")
    return Verdict(holds=False, reason="Starting", message=f"{count}{_waits_for(seen)}")


def _waits_for(seen: Seen) -> str:
    for pod in seen.alive:
        if not objects.holds(pod, "Ready"):
            return f"; pod {objects.name(pod)} starts"
    for pod in seen.pods:
        if objects.terminating(pod):
            return f"; pod {objects.name(pod)} finishes its requests first"
    return ""
