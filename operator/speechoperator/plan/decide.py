"""The plan for a valid pipeline, as a list of steps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from speechoperator.api.names import COMPONENTS, object_name
from speechoperator.kube.objects import Ref, owners
from speechoperator.plan import diff, models_in_use
from speechoperator.plan.actions import StartCanary
from speechoperator.plan.conditions import exposure, models, refused_writes, verified
from speechoperator.plan.conditions.components import component_states, exposure_findings
from speechoperator.plan.conditions.compose import by_type
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.desired import desired, stamped
from speechoperator.plan.draft import Draft
from speechoperator.plan.manifests import bridge_config
from speechoperator.plan.manifests.deployments import REPLACE_IN_PLACE
from speechoperator.plan.manifests.pvcs import CACHE
from speechoperator.plan.manifests.unsupported_fields import without_unsupported_fields
from speechoperator.plan.models import model_list, weights
from speechoperator.plan.models.lifecycle import plan_models
from speechoperator.plan.pvcs import pvcs_to_orphan
from speechoperator.plan.reporting import (
    add_weights,
    compose_conditions,
    compose_events,
    compose_status,
    judge_scaling,
)
from speechoperator.plan.rollout import claims, handover, replica_numbers, stuck, updates
from speechoperator.plan.scaler import plan_scaling
from speechoperator.plan.status import bridge_url, service_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.plan.actions import Plan
    from speechoperator.plan.conditions.availability import ComponentState
    from speechoperator.plan.replicas import Replicas
    from speechoperator.plan.snapshot import Snapshot
    from speechoperator.settings import Settings

_AVAILABLE = tuple(f"{component.capitalize()}Available" for component in COMPONENTS)


def plan(pipeline: SpeechPipeline, snapshot: Snapshot, now: datetime, settings: Settings) -> Plan:
    """Decide what to do about one pipeline.

    Args:
        pipeline: The pipeline.
        snapshot: The state of the cluster.
        now: The time, in UTC.
        settings: The operator's settings.
    """
    draft = Draft(pipeline, snapshot, now, settings)
    for step in _STEPS:
        step(draft)
    return draft.plan()


def _decide_replicas(draft: Draft) -> None:
    """Decide the replicas of Whisper and Ollama; those of the bridge follow from the spec."""
    moves = claims.moves(draft.pipeline, draft.snapshot.objects)
    draft.blocked_moves = claims.blocked(moves, draft.snapshot)
    held = [move.component for move in draft.blocked_moves]
    draft.scaler = plan_scaling(draft.pipeline, draft.snapshot, draft.now, draft.settings.unschedulable_grace, held)
    replicas: dict[Component, Replicas] = {**draft.decisions.replicas, **draft.scaler.replicas}
    draft.decisions = replace(draft.decisions, replicas=replicas)
    draft.requeue(draft.scaler.requeue_after)


def _decide_models(draft: Draft) -> None:
    """Decide about pulls, and which models the bridge offers."""
    spec, snapshot = draft.pipeline.spec, draft.snapshot
    draft.environment = bridge_config.environment(draft.pipeline, spec.ollama.model_names)
    config_map = bridge_config.config_map(draft.pipeline, draft.environment)
    draft.old_environment = handover.previous_environment(config_map, snapshot.objects)
    models = model_list.config_map(draft.pipeline, spec.ollama.model_names)
    offers = handover.offered_models(models, snapshot.objects, draft.old_environment)
    asleep = draft.decisions.replicas["ollama"].required == 0
    draft.models = plan_models(
        draft.pipeline,
        snapshot,
        draft.now,
        draft.settings.ollama_port,
        offers,
        draft.environment,
        asleep=asleep,
    )
    if draft.models.offered is not None:
        draft.decisions = replace(draft.decisions, models=draft.models.offered)
    draft.requeue(draft.models.requeue_after)


def _compare(draft: Draft) -> None:
    """Build the manifests and compare them with the cluster."""
    live, owner = draft.snapshot.objects, draft.pipeline.metadata.uid
    draft.built = desired(draft.pipeline, draft.settings, draft.decisions, draft.snapshot.built)
    manifests = without_unsupported_fields(draft.built.manifests, live, draft.snapshot.failures)
    if draft.blocked_moves:
        manifests = claims.with_previous_volumes(manifests, draft.blocked_moves, live, CACHE, REPLACE_IN_PLACE)
        manifests = stamped(manifests, draft.pipeline, draft.decisions)
    draft.manifests = manifests
    draft.orphan = pvcs_to_orphan(draft.manifests, live, owner)
    draft.apply = diff.objects_to_apply(draft.manifests, live)
    draft.apply = replica_numbers.with_initial(draft.apply, live, draft.scaler.initial)
    draft.delete = diff.objects_to_delete(draft.manifests, live, owner)


def _pace_updates(draft: Draft) -> None:
    """Hold changes of pods that come from a new release of the operator until it is the pipeline's turn.

    A pipeline that does not serve has nothing to lose, and may need the new release: it does not wait.
    """
    snapshot, spec = draft.snapshot, draft.pipeline.spec
    draft.updates = updates.pending(draft.apply, snapshot.objects, draft.pipeline, draft.decisions.models)
    held = spec.upgrade_policy == "Manual"
    if draft.updates and not held:
        draft.update = "running" if snapshot.may_update else "waiting" if _served(draft) else "none"
    if held or draft.update == "waiting":
        draft.held_updates = draft.updates
        draft.apply = updates.without(draft.apply, draft.updates, draft.pipeline.name)


def _judge_components(draft: Draft) -> None:
    """Determine the states of the components and models."""
    spec, snapshot = draft.pipeline.spec, draft.snapshot
    writes = _pending_writes(draft)
    removed = {one.ref for one in draft.orphan} | {one.ref for one in draft.delete}
    draft.failures = refused_writes.relevant(snapshot.failures, writes | removed)
    outdated = writes if _makes_unready(draft) else frozenset()
    draft.components = component_states(
        draft.pipeline,
        snapshot,
        draft.manifests,
        draft.decisions.replicas,
        outdated,
        draft.failures,
        draft.now,
        draft.settings.unschedulable_grace,
        draft.models.waiting | weights.fetching(snapshot),
    )
    for component in draft.components:
        draft.requeue(component.requeue_after)
    draft.models_ready = models.verdict(draft.models, managed=spec.ollama.managed, suspended=spec.suspend)
    decided = draft.decisions
    draft.models_missing = models.obstacle(
        draft.models_ready,
        draft.models,
        decided.models,
        decided.replicas["ollama"].required,
        was_ready=_was_ready(draft),
    )


def _follow_update(draft: Draft) -> None:
    """Keep an update in progress until the new pods serve, unless they no longer should.

    Pods that serve have the models that they offer. Another model may be missing for long, and an external service may
    be down for long: neither comes from the update.
    """
    spec = draft.pipeline.spec
    if draft.updates or not draft.snapshot.may_update or spec.suspend or spec.upgrade_policy == "Manual":
        return
    if not all(_has_settled(state) for state in draft.components if state.desired is not None):
        draft.update = "running"


def _resume_rollouts(draft: Draft) -> None:
    """Continue rollouts that are stuck by a fault of Kubernetes."""
    live = draft.snapshot.objects
    for component in COMPONENTS:
        ref = Ref("Deployment", object_name(draft.pipeline.name, component))
        if ref in live and draft.pipeline.metadata.uid in owners(live[ref]):
            resumption, due = stuck.resumption(ref, live[ref], draft.now)
            draft.resumptions += (resumption,) if resumption else ()
            draft.requeue(due)


def _hold_back(draft: Draft) -> None:
    """Hold back changes that would cut off the bridges from Whisper or Ollama."""
    pipeline, objects = draft.pipeline, draft.snapshot.objects
    bridge = Ref("Deployment", object_name(pipeline.name, "bridge"))
    if pipeline.spec.suspend or bridge not in objects:
        return
    writes = _pending_writes(draft)
    moved = handover.moved_components(draft.old_environment, draft.environment)
    late = [state.component for state in draft.components if state.component in moved and not _serves(state, draft)]
    if late:
        names = " and ".join(late)
        draft.held_back = f"the bridge keeps using the previous address of {names} until the new one is available"
        draft.apply = handover.without_bridge(draft.apply, pipeline.name)
    bridge_state = draft.components[-1]
    bridge_held = any(held.component == "bridge" for held in draft.held_updates)
    if late or bridge_held or bridge in writes or bridge_state.rollout:
        draft.delete = handover.without_components_in_use(draft.delete, objects)


def _judge_exposure(draft: Draft) -> None:
    """Determine whether the bridge is exposed as wanted."""
    bridge, url = draft.pipeline.spec.bridge, bridge_url(draft.pipeline)
    name, objects, refused = (
        object_name(draft.pipeline.name, "bridge"),
        draft.snapshot.objects,
        exposure_findings(draft.failures),
    )
    if bridge.ingress:
        live = objects.get(Ref("Ingress", name))
        draft.exposed = exposure.ingress(live, draft.snapshot.ingress_class_missing, refused, url)
    elif bridge.gateway:
        live = objects.get(Ref("HTTPRoute", name))
        draft.exposed, seconds = exposure.http_route(live, refused, url, draft.now)
        draft.requeue(seconds)


def _verify(draft: Draft) -> None:
    """Decide about the canary request."""
    if not draft.settings.verification:
        return
    pipeline = draft.pipeline
    serving = verified.is_serving(draft.components, draft.models_missing) and not draft.held_back
    draft.verification = verified.verification(pipeline, draft.snapshot, draft.now, serving=serving)
    if draft.verification.version:
        draft.canary = StartCanary(service_url(pipeline), draft.verification.version)
    draft.requeue(draft.verification.requeue_after)


_STEPS: tuple[Callable[[Draft], None], ...] = (
    _decide_replicas,
    _decide_models,
    _compare,
    _pace_updates,
    _judge_components,
    _follow_update,
    _resume_rollouts,
    _hold_back,
    models_in_use.follow,
    _judge_exposure,
    _verify,
    judge_scaling,
    compose_conditions,
    compose_status,
    add_weights,
    compose_events,
)


def _pending_writes(draft: Draft) -> frozenset[Ref]:
    return frozenset(diff.ref(one.object) for one in draft.apply)


def _makes_unready(draft: Draft) -> bool:
    """Return whether pending writes make the pipeline unready.

    They do after a change of the spec: Ready must not refer to the spec before. Reverting drift of a pipeline that is
    ready does not.
    """
    status = draft.snapshot.status
    changed = status.get("observedGeneration") != draft.pipeline.metadata.generation
    found = by_type(status)
    return changed or any(found.get(kind, {}).get("status") != "True" for kind in ("Accepted", "Ready"))


def _was_ready(draft: Draft) -> bool:
    """Return whether the pipeline was ready with its current spec when the status was written."""
    ready = by_type(draft.snapshot.status).get("Ready", {})
    current = ready.get("observedGeneration") == draft.pipeline.metadata.generation
    return current and ready.get("status") == "True"


def _has_settled(state: ComponentState) -> bool:
    """Return whether a component serves with its current pods, or is scaled to zero."""
    stopped = state.available.reason is Reason.SCALED_TO_ZERO
    return not state.rollout and (stopped or bool(state.available.status))


def _served(draft: Draft) -> bool:
    """Return whether all components were available when the status was written."""
    found = by_type(draft.snapshot.status)
    return all(found.get(kind, {}).get("status") == "True" for kind in _AVAILABLE)


def _serves(state: ComponentState, draft: Draft) -> bool:
    """Return whether a component can take over from its predecessor."""
    return bool(state.available.status) and (state.component != "ollama" or bool(draft.models_ready.status))
