"""The plan for a pipeline's models: their states and the pulls.

A volume is what a pull fills: a PVC, shared by all pods that mount it, or the emptyDir of one pod. At most one pull
runs per volume. For an external Ollama (`url`) nothing is pulled, its models are only inspected.

Clients keep what they have: a running pipeline offers a new model, or another default, only once it is present, and its
pods keep receiving requests during the pull.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from speechoperator.api.names import CACHE_VOLUME, object_name
from speechoperator.kube import objects
from speechoperator.kube.objects import Ref
from speechoperator.plan.actions import StopPull
from speechoperator.plan.models import names
from speechoperator.plan.models.disk import free, used
from speechoperator.plan.models.ollama_pods import common_volume, ollama_pods, stored_models, unreachable
from speechoperator.plan.models.pulls import pulls_to_start, pulls_to_stop
from speechoperator.plan.models.removals import removals
from speechoperator.plan.models.states import ModelState, external_state, in_image, offered, state_of
from speechoperator.plan.models.warmth import Warmth, plan_warmth
from speechoperator.plan.snapshot import EXTERNAL
from speechoperator.plan.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from speechoperator.api import Ollama, SpeechPipeline
    from speechoperator.plan.actions import RemoveModel, StartPull
    from speechoperator.plan.models.ollama_pods import Pod
    from speechoperator.plan.models.removals import UnusedModel
    from speechoperator.plan.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What to do about the models of a pipeline, and their states.

    Attributes:
        states: The state of each model, in the order of the spec.
        offered: Models that the bridge should offer, the default first; None for all in the spec.
        pulls: Pulls to start.
        stops: Pulls to stop.
        waiting: Names of the pods that are known to lack a model, so that their readiness probe fails.
        unreachable: Which running Ollama does not list its models, and why; empty if none.
        volume: The PVC with the models, "pvc:NAME"; empty if they are not on one that all pods share.
        asleep: Whether no pod runs because Ollama is scaled to zero; the states are those of the volume.
        warmth: Which pods have loaded their models into memory, and which are to.
        unused: Models on the volumes that no pipeline wants.
        removals: Those to remove.
        bytes_used: Bytes of the models on the fullest volume; None while unknown.
        bytes_free: What the capacity of that volume leaves beside them; None if unknown.
        unchecked: Why the models of an external service are unknown although it works; empty if they are known.
        requeue_after: Seconds until the plan changes by time alone; None if it does not.
    """

    states: tuple[ModelState, ...] = ()
    offered: tuple[str, ...] | None = None
    pulls: tuple[StartPull, ...] = ()
    stops: tuple[StopPull, ...] = ()
    waiting: frozenset[str] = frozenset()
    unreachable: str = ""
    volume: str = ""
    asleep: bool = False
    warmth: Warmth = field(default_factory=Warmth)
    unused: tuple[UnusedModel, ...] = ()
    removals: tuple[RemoveModel, ...] = ()
    bytes_used: int | None = None
    bytes_free: int | None = None
    unchecked: str = ""
    requeue_after: float | None = None


def plan_models(
    pipeline: SpeechPipeline,
    snapshot: Snapshot,
    now: datetime,
    port: int,
    offers: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    *,
    asleep: bool = False,
) -> ModelPlan:
    """Decide about the models of a pipeline.

    Args:
        pipeline: The pipeline.
        snapshot: The snapshot; pods of other components are ignored.
        now: The time, for retries.
        port: The port of the Ollama pods.
        offers: The models that the bridges offer now, the default first; empty before there are bridges.
        environment: The bridges' environment according to the spec: what requests to the models carry.
        asleep: Whether Ollama is scaled to zero until the next request.
    """
    spec, ollama = pipeline.spec, pipeline.spec.ollama
    if not ollama.managed:
        return _external(ollama, snapshot, offers)
    if spec.suspend:
        states = tuple(ModelState(model.name, "Pending") for model in ollama.models)
        stops = tuple(StopPull(*key, "the pipeline is suspended") for key in sorted(snapshot.pulls))
        return ModelPlan(states, stops=stops)  # without clients, the new models can be offered at once
    pods = ollama_pods(snapshot, pipeline)
    if not pods:
        return _without_pods(pipeline, snapshot, offers, asleep=asleep)
    states = tuple(state_of(model, pods, snapshot) for model in ollama.models)
    if ollama.storage.image:
        states = tuple(in_image(state, pods) for state in states)
    usable = offered(states, offers)
    start, waits = pulls_to_start(ollama, pods, snapshot, now, port)
    warmth = plan_warmth(pipeline.name, environment or {}, pods, snapshot, now, port)
    bytes_used, bytes_free = _disk(pods, ollama, snapshot)
    unused, remove, due = removals(pipeline, pods, snapshot, now, port, offers)
    waits += [wait for wait in (warmth.requeue_after, due) if wait is not None]
    return ModelPlan(
        states,
        usable,
        pulls=start,
        stops=pulls_to_stop(ollama, pods, snapshot),
        waiting=frozenset(pod.name for pod in pods if any(map(pod.lacks, ollama.models))),
        unreachable=unreachable(pods, snapshot),
        volume=common_volume(pods),
        warmth=warmth,
        unused=unused,
        removals=remove,
        bytes_used=bytes_used,
        bytes_free=bytes_free,
        requeue_after=min(waits, default=None),
    )


def _without_pods(pipeline: SpeechPipeline, snapshot: Snapshot, offers: Sequence[str], *, asleep: bool) -> ModelPlan:
    """Report the models that are on the volume of the pods that do not run now."""
    deployment = snapshot.objects.get(Ref("Deployment", object_name(pipeline.name, "ollama"))) or {}
    template = (deployment.get("spec") or {}).get("template") or {}
    pvc = objects.claim(objects.volume(template, CACHE_VOLUME))
    volume = f"pvc:{pvc}" if pvc else ""
    present = stored_models(snapshot.status).get(volume, frozenset())
    models = pipeline.spec.ollama.models
    states = tuple(
        ModelState(model.name, "Ready" if names.canonical(model.name) in present else "Pending") for model in models
    )
    stops = pulls_to_stop(pipeline.spec.ollama, (), snapshot)
    return ModelPlan(states, offered(states, offers), stops=stops, volume=volume if present else "", asleep=asleep)


def _disk(pods: Sequence[Pod], ollama: Ollama, snapshot: Snapshot) -> tuple[int | None, int | None]:
    """Return bytes used and free on the fullest volume; until the pods are queried, those in the status."""
    volumes = {pod.volume for pod in pods if pod.reachable}
    if not volumes:
        taken, left = (snapshot.status.get(name) for name in ("modelsBytes", "modelsFreeBytes"))
        return taken if isinstance(taken, int) else None, left if isinstance(left, int) else None
    taken, volume = max((used(volume, pods, snapshot), volume) for volume in volumes)
    return taken, free(volume, taken, ollama, snapshot)


def _external(ollama: Ollama, snapshot: Snapshot, offers: Sequence[str]) -> ModelPlan:
    """Inspect an external Ollama."""
    stops = tuple(StopPull(*key, "Ollama is external now") for key in sorted(snapshot.pulls))
    answer = snapshot.ollama.get(EXTERNAL)
    if answer is None or not answer.reachable:
        states = tuple(ModelState(model.name, "Pending") for model in ollama.models)
        message = f"{ollama.url} does not list its models: {one_line(answer.detail)}" if answer else ""
        return ModelPlan(states, offered(states, offers), stops=stops, unreachable=message)
    if answer.rejected:
        states = tuple(ModelState(model.name, "Ready", 1) for model in ollama.models)
        message = f"{ollama.url} does not list its models without credentials: they are taken as present"
        return ModelPlan(states, offered(states, offers), stops=stops, unchecked=message)
    present = {names.canonical(name) for name in answer.models}
    states = tuple(external_state(model, present, ollama) for model in ollama.models)
    return ModelPlan(states, offered(states, offers), stops=stops)
