"""The components that the scaler decides about, as they run now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from speechoperator.api import labels
from speechoperator.api.names import REPLICAS, object_name
from speechoperator.kube import managed_fields
from speechoperator.kube.objects import Ref
from speechoperator.plan.scaling.pods import component_state, measured_startup
from speechoperator.settings import OPERATOR, SCALER

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from speechoperator.api import SpeechPipeline
    from speechoperator.kube.objects import Object
    from speechoperator.plan.scaling.history import Change, History
    from speechoperator.plan.scaling.spec import Bounds, ScalingSpec
    from speechoperator.plan.scaling.state import ComponentState, ScaledComponent
    from speechoperator.plan.snapshot import Snapshot

SUSPENSION = "spec.suspend is true"
"""Reason of the change to zero replicas; the next change undoes it."""

_RESUMED = "spec.suspend is no longer true"
_KEEPS_VOLUME = "the PVC of the spec cannot be used yet"
_NEW = "a new pipeline starts with one replica"
_SCALED: tuple[ScaledComponent, ...] = ("whisper", "ollama")


@dataclass(frozen=True, slots=True)
class Running:
    """A component that the operator runs.

    Attributes:
        name: Its name.
        bounds: The replicas it may have.
        ref: Its Deployment.
        live: `spec.replicas` of the Deployment; None if it does not exist.
        owners: The field managers that own the field, the latest first.
        start: Replicas to start with; None if it has been started.
        start_reason: Why so many.
        state: Its pods.
    """

    name: ScaledComponent
    bounds: Bounds
    ref: Ref
    live: int | None
    owners: tuple[str, ...]
    start: int | None
    start_reason: str
    state: ComponentState


def running_components(
    pipeline: SpeechPipeline,
    spec: ScalingSpec,
    snapshot: Snapshot,
    history: History,
    now: datetime,
    node_grace_s: float,
) -> tuple[Running, ...]:
    """Return the components that the operator runs.

    Args:
        pipeline: The pipeline.
        spec: What it says about scaling.
        snapshot: The snapshot.
        history: What the scaler remembers.
        now: The time, in UTC.
        node_grace_s: Seconds that a new node may take.
    """
    scaled = {"whisper": spec.whisper, "ollama": spec.ollama}
    return tuple(
        _running(pipeline, name, scaling.bounds, snapshot, history, now, node_grace_s, may_wake=spec.mode == "Auto")
        for name in _SCALED
        if (scaling := scaled[name])
    )


def without_growth(spec: ScalingSpec, held: Collection[str], pipeline: str, snapshot: Snapshot) -> ScalingSpec:
    """Limit components to the replicas that they have.

    Args:
        spec: What the pipeline says about scaling.
        held: Components that keep their present volume, which may be one that only a single node mounts.
        pipeline: The name of the pipeline.
        snapshot: The snapshot.
    """
    whisper, ollama = spec.whisper, spec.ollama
    if whisper and "whisper" in held:
        whisper = replace(whisper, bounds=_at_most(whisper.bounds, _live(snapshot, pipeline, "whisper")))
    if ollama and "ollama" in held:
        ollama = replace(ollama, bounds=_at_most(ollama.bounds, _live(snapshot, pipeline, "ollama")))
    return replace(spec, whisper=whisper, ollama=ollama)


def _at_most(bounds: Bounds, live: int | None) -> Bounds:
    if live is None:
        return bounds
    most = min(max(live, 1), bounds.maximum)
    return replace(bounds, minimum=min(bounds.minimum, most), maximum=most, why_no_more=_KEEPS_VOLUME)


def _live(snapshot: Snapshot, pipeline: str, component: ScaledComponent) -> int | None:
    """Return `spec.replicas` of a component's Deployment, None if it does not exist."""
    deployment = snapshot.objects.get(Ref("Deployment", object_name(pipeline, component)))
    return None if deployment is None else int(deployment["spec"].get("replicas", 1))


def with_startup_times(snapshot: Snapshot) -> History:
    """Return the history with the startup times of the pods that have become ready since."""
    history = snapshot.history
    whisper, ollama = (
        replace(track, startup=measured_startup(_pods(snapshot, name), track.startup))
        for name, track in (("whisper", history.whisper), ("ollama", history.ollama))
    )
    return replace(history, whisper=whisper, ollama=ollama)


def _running(
    pipeline: SpeechPipeline,
    name: ScaledComponent,
    bounds: Bounds,
    snapshot: Snapshot,
    history: History,
    now: datetime,
    node_grace_s: float,
    *,
    may_wake: bool,
) -> Running:
    ref = Ref("Deployment", object_name(pipeline.name, name))
    deployment = snapshot.objects.get(ref)
    live = _live(snapshot, pipeline.name, name)
    owners = managed_fields.owners_of(deployment, REPLICAS) if deployment else ()
    waking = {OPERATOR} if may_wake else {OPERATOR, SCALER}
    untouched = live is None or bool(owners and set(owners) <= waking)
    start, reason = _start(bounds, live, history.last(name), untouched=untouched)
    track = history.whisper if name == "whisper" else history.ollama
    state = component_state(live or 0, _pods(snapshot, name), track.startup, now, node_grace_s)
    return Running(
        name, bounds, ref, live, owners, start, reason, replace(state, start=start or 0, start_reason=reason)
    )


def _start(bounds: Bounds, live: int | None, last: Change | None, *, untouched: bool) -> tuple[int | None, str]:
    """Return how many replicas a component starts with, and why; None if it has been started.

    After a suspension it starts with as many as before. One whose Deployment was deleted gets as many as it had.

    Args:
        bounds: The replicas it may have.
        live: Those it has; None if its Deployment does not exist.
        last: The last change that was written.
        untouched: Whether nothing else would start it: there is no Deployment, or one that was created with zero
            replicas and never scaled, or that the scaler left at zero when its mode was changed.
    """
    if live:
        return None, ""
    if last and last.reason == SUSPENSION:
        return min(max(last.before, bounds.minimum), bounds.maximum), _RESUMED
    if last and live is None:
        return min(max(last.after, bounds.minimum), bounds.maximum), last.reason
    if untouched:
        return max(bounds.minimum, 1), bounds.minimum_reason if bounds.minimum else _NEW
    return None, ""


def _pods(snapshot: Snapshot, component: str) -> list[Object]:
    return [pod for pod in snapshot.pods if labels.component_of(pod) == component]
