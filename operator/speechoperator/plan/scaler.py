"""The scaler's part of a plan: the replicas of Whisper and Ollama, the writes for them, and what is remembered.

`scaling.scale` decides by the load. What comes before it is decided here: suspension, how a Deployment that does not
exist yet starts, and whose the field `spec.replicas` is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from speechoperator.api import labels
from speechoperator.api.names import REPLICAS
from speechoperator.plan.actions import PodCost, Scale
from speechoperator.plan.pod_costs import costs
from speechoperator.plan.replicas import Replicas
from speechoperator.plan.scaled_components import SUSPENSION, running_components, with_startup_times, without_growth
from speechoperator.plan.scaling.history import Change, History
from speechoperator.plan.scaling.scale import Decision, scale
from speechoperator.plan.scaling.spec import from_pipeline
from speechoperator.plan.scaling.state import ComponentState, States
from speechoperator.settings import OPERATOR, SCALER

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.plan.scaled_components import Running
    from speechoperator.plan.scaling.spec import ScalingSpec
    from speechoperator.plan.snapshot import Snapshot

_OTHERS = "spec.scaling.mode is Off: another writer sets the number"
_KEPT = "spec.scaling.mode is Advisory: nothing is written"


@dataclass(frozen=True, slots=True)
class ScalerPlan:
    """What the scaler decides about a pipeline.

    Attributes:
        spec: What the user wants.
        replicas: Replicas of each scaled component.
        initial: Replicas with which a Deployment that does not exist is created, by component.
        costs: Deletion costs of pods, before a Deployment is scaled down.
        scales: Replicas to write, fewer before more.
        decision: The decision by the load; None if there is none, as with the mode Off and while suspended.
        history: The memory, with the changes of this plan.
        changes: Past changes, as they were carried out.
    """

    spec: ScalingSpec
    replicas: Mapping[Component, Replicas] = field(default_factory=dict)
    initial: Mapping[str, int] = field(default_factory=dict)
    costs: tuple[PodCost, ...] = ()
    scales: tuple[Scale, ...] = ()
    decision: Decision | None = None
    history: History = field(default_factory=History)
    changes: tuple[Change, ...] = ()

    @property
    def requeue_after(self) -> float | None:
        """Seconds until the next decision is due; None if it is not by time alone."""
        return self.decision.requeue_after if self.decision else None


def plan_scaling(
    pipeline: SpeechPipeline,
    snapshot: Snapshot,
    now: datetime,
    node_grace_s: float,
    held: Collection[str] = (),
) -> ScalerPlan:
    """Decide about the replicas of Whisper and Ollama.

    Args:
        pipeline: The pipeline.
        snapshot: The snapshot.
        now: The time, in UTC.
        node_grace_s: Seconds that a new node may take.
        held: Components that get no further replicas, because they keep a volume that only one node may mount.
    """
    spec = without_growth(from_pipeline(pipeline.spec), held, pipeline.name, snapshot)
    history = with_startup_times(snapshot)
    components = running_components(pipeline, spec, snapshot, history, now, node_grace_s)
    if pipeline.spec.suspend:
        return _suspended(spec, components, history, now.timestamp())
    if spec.mode == "Auto":
        return _automatic(spec, components, snapshot, history, now.timestamp())
    return _left_alone(spec, components, snapshot, history, now.timestamp())


def _suspended(spec: ScalingSpec, components: tuple[Running, ...], history: History, now: float) -> ScalerPlan:
    """Scale to zero at once, in any mode: suspension is the user's own command."""
    past = history.changes
    scales = []
    for one in components:
        last = history.last(one.name)
        running = last.after if last else max(one.bounds.minimum, 1)
        unrecorded = one.live == 0 and SCALER in one.owners
        before = running if unrecorded else one.live
        if before:
            change = Change.decided(one.name, before, 0, SUSPENSION, now)
            history = history.add([change])
            if one.live:
                scales.append(_scale(one, 0, change.reason, change.id))
    stopped: dict[Component, Replicas] = {one.name: Replicas(0, 0, SUSPENSION) for one in components}
    return ScalerPlan(
        spec,
        stopped,
        {one.name: 0 for one in components if one.live is None},
        scales=tuple(scales),
        history=history,
        changes=past,
    )


def _automatic(
    spec: ScalingSpec, components: tuple[Running, ...], snapshot: Snapshot, history: History, now: float
) -> ScalerPlan:
    """Decide by the load, and write."""
    decision = scale(spec, snapshot.loads, _states(components), history, now)
    decided = {"whisper": decision.whisper, "ollama": decision.ollama}
    exists = {one.name for one in components if one.live is not None}
    changes = {change.component: change for change in decision.changes if change.component in exists}
    replicas: dict[Component, Replicas] = {}
    scales = []
    for one in components:
        found = decided[one.name]
        if found is None:
            continue
        required = min(found.replicas, max(one.bounds.minimum, 1))
        replicas[one.name] = Replicas(found.replicas, required, found.reason)
        change = changes.get(one.name)
        if change or one.live is None or one.owners == (OPERATOR,):
            reason = change.reason if change else f"{REPLICAS} becomes the scaler's"
            scales.append(_scale(one, found.replicas, reason, change.id if change else ""))
    return ScalerPlan(
        spec,
        replicas,
        {one.name: replicas[one.name].target or 0 for one in components if one.live is None},
        costs=_costs(scales, snapshot),
        scales=tuple(sorted(scales, key=lambda one: one.replicas - (one.before or 0))),
        decision=decision,
        history=replace(decision.history, changes=history.changes).add(changes.values()),
        changes=history.changes,
    )


def _left_alone(
    spec: ScalingSpec, components: tuple[Running, ...], snapshot: Snapshot, history: History, now: float
) -> ScalerPlan:
    """Leave the replicas to others. Only the end of a suspension is written: an HPA does not start from zero."""
    past = history.changes
    states = _states(tuple(replace(one, state=_as_started(one)) for one in components))
    decision = scale(spec, snapshot.loads, states, history, now) if spec.mode == "Advisory" else None
    history = decision.history if decision else history
    replicas: dict[Component, Replicas] = {}
    scales = []
    for one in components:
        running = one.live if one.start is None else one.start
        required = min(running or 0, max(one.bounds.minimum, 1))
        replicas[one.name] = Replicas(None, required, _KEPT if spec.mode == "Advisory" else _OTHERS)
        if one.live == 0 and one.start:
            change = Change.decided(one.name, 0, one.start, one.start_reason, now)
            history = history.add([change])
            scales.append(_scale(one, one.start, change.reason, change.id))
    return ScalerPlan(
        spec,
        replicas,
        {one.name: one.start or 0 for one in components if one.live is None},
        scales=tuple(scales),
        decision=decision,
        history=history,
        changes=past,
    )


def _as_started(component: Running) -> ComponentState:
    state = replace(component.state, start=0, start_reason="")
    return state if component.start is None else replace(state, desired=component.start)


def _states(components: tuple[Running, ...]) -> States:
    found = {one.name: one.state for one in components}
    return States(found.get("whisper", ComponentState()), found.get("ollama", ComponentState()))


def _scale(component: Running, replicas: int, reason: str, identifier: str) -> Scale:
    ours = {OPERATOR, SCALER} & set(component.owners)
    undoes = component.owners[0] if component.owners and not ours and replicas != component.live else ""
    return Scale(component.ref, component.name, component.live, replicas, reason, identifier, undoes)


def _costs(scales: list[Scale], snapshot: Snapshot) -> tuple[PodCost, ...]:
    shrinking = [one.component for one in scales if one.replicas < (one.before or 0)]
    pods = [pod for pod in snapshot.pods if labels.component_of(pod) in shrinking]
    return costs(pods, snapshot.pod_loads)
