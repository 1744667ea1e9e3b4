"""What was observed of each part, picked out for the judgement on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api import labels
from speechoperator.api.names import COMPONENTS, object_name
from speechoperator.kube import objects
from speechoperator.kube.objects import Ref
from speechoperator.plan.conditions import availability, refused_writes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object
    from speechoperator.plan.conditions.availability import ComponentState
    from speechoperator.plan.conditions.verdicts import Problem
    from speechoperator.plan.snapshot import Snapshot, WriteFailure

_EXPOSING = frozenset({"Ingress", "HTTPRoute"})
_LOOKING = frozenset({"get", "list", "watch"})


def part_states(
    pipeline: SpeechPipeline,
    snapshot: Snapshot,
    wanted: Iterable[Object],
    changing: Collection[Ref],
    failures: Iterable[WriteFailure],
    now: datetime,
) -> tuple[ComponentState, ...]:
    """Return how the parts stand: Whisper, Ollama, the bridge.

    Args:
        pipeline: What is wanted.
        snapshot: What is there.
        wanted: The objects that are wanted.
        changing: The objects that are yet to be written.
        failures: The refusals that still matter.
        now: The time.
    """
    replicas = {
        labels.component_of(thing): thing["spec"].get("replicas") for thing in wanted if thing["kind"] == "Deployment"
    }
    problems = [(failure.ref, problem) for failure in failures if (problem := refused_writes.problem(failure))]
    states = []
    for part in COMPONENTS:
        serving = {"whisper": pipeline.spec.whisper, "ollama": pipeline.spec.ollama}.get(part)
        if serving and serving.url is not None:
            states.append(availability.elsewhere(part, serving.url, snapshot.external.get(part)))
            continue
        name = object_name(pipeline.name, part)
        refused = [problem for ref, problem in problems if _concerns(ref, name) and ref.kind not in _EXPOSING]
        seen = _seen(name, part, snapshot, refused)
        changed = Ref("Deployment", name) in changing
        states.append(
            availability.managed(_wanted(pipeline, part, replicas.get(part), seen, changing=changed), seen, now)
        )
    return tuple(states)


def exposing(failures: Iterable[WriteFailure]) -> list[Problem]:
    """Return why the Ingress or the HTTPRoute could not be written."""
    kept = (failure for failure in failures if failure.ref.kind in _EXPOSING)
    return [problem for failure in kept if (problem := refused_writes.problem(failure))]


def mattering(failures: Iterable[WriteFailure], pending: Collection[Ref]) -> tuple[WriteFailure, ...]:
    """Return the refusals of what is still to be written or seen; what need not be written any more is no matter."""
    return tuple(failure for failure in failures if failure.ref in pending or failure.verb in _LOOKING)


def _seen(name: str, part: Component, snapshot: Snapshot, refused: list[Problem]) -> availability.Seen:
    return availability.Seen(
        deployment=snapshot.objects.get(Ref("Deployment", name)),
        claim=snapshot.objects.get(Ref("PersistentVolumeClaim", name)),
        pods=sorted((pod for pod in snapshot.pods if labels.component_of(pod) == part), key=objects.name),
        pod_warnings=snapshot.pod_warnings,
        claim_warning=snapshot.claim_warnings.get(name, ""),
        refused=refused,
    )


def _wanted(
    pipeline: SpeechPipeline, part: Component, replicas: int | None, seen: availability.Seen, *, changing: bool
) -> availability.Wanted:
    floor, why = _floor(pipeline, part)
    live = (seen.deployment or {}).get("spec", {}).get("replicas")
    serving = {"whisper": pipeline.spec.whisper, "ollama": pipeline.spec.ollama}.get(part)
    return availability.Wanted(
        part,
        # Where the operator leaves the number to an autoscaler, it is the one in the Deployment.
        desired=replicas if replicas is not None else max(live or 0, floor),
        floor=floor,
        why=why,
        gpu=serving.gpu.resource_name if serving and serving.gpu and serving.gpus else "",
        suspended=pipeline.spec.suspend,
        changing=changing,
    )


def _floor(pipeline: SpeechPipeline, part: Component) -> tuple[int, str]:
    """Return how many replicas the spec asks for at least, and why."""
    spec = pipeline.spec
    if spec.suspend:
        return 0, "suspend is true"
    if part == "bridge":
        if spec.bridge.scaling:
            return spec.bridge.scaling.min_replicas, "the HorizontalPodAutoscaler says so"
        return spec.bridge.replicas, f"replicas is {spec.bridge.replicas}"
    least = (spec.whisper if part == "whisper" else spec.ollama).scaling.min_replicas
    if least == 0:
        return 1, "minReplicas is 0, but nothing starts it again on demand yet: one replica runs"
    return least, f"minReplicas is {least}"


def _concerns(ref: Ref, name: str) -> bool:
    return ref.name == name or ref.name.startswith(f"{name}-")
