"""The last steps of a plan: its conditions, status and Events, from what the steps before have decided."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from speechoperator.plan.conditions import kstatus, models_loaded, pvcs, ready, refused_writes, scaling, update
from speechoperator.plan.conditions.compose import by_type, compose
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.events import events
from speechoperator.plan.models import weights
from speechoperator.plan.models.summary import weights_progress
from speechoperator.plan.pvcs import reused_pvcs, unused_pvcs
from speechoperator.plan.rollout import updates
from speechoperator.plan.scaling_status import reported, scaling_status
from speechoperator.plan.status import bridge_url, build_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechoperator.plan.conditions.findings import Finding
    from speechoperator.plan.draft import Draft

_ACCEPTED = Verdict(status=True, reason=Reason.VALID, message="the spec is valid")


def judge_scaling(draft: Draft) -> None:
    """Determine what the status says about scaling: what varies with the load changes twice a minute."""
    snapshot, now = draft.snapshot, draft.now
    current = scaling.verdict(draft.scaler, snapshot, now, suspended=draft.pipeline.spec.suspend)
    limits = scaling.limits_of(current)
    draft.load, seconds = reported(draft.scaler, snapshot.loads.whisper, limits, now.timestamp())
    draft.scaling = scaling.as_reported(current, draft.load.limits)
    draft.scaler = replace(draft.scaler, history=replace(draft.scaler.history, reported=draft.load))
    draft.requeue(seconds)


def compose_conditions(draft: Draft) -> None:
    """Compose the conditions."""
    pipeline, snapshot = draft.pipeline, draft.snapshot
    loaded = models_loaded.verdict(draft.models, gpus=pipeline.spec.ollama.gpus > 0)
    state = _state(draft, loaded)
    is_ready, progressing = ready.ready(state), ready.progressing(state)
    available = update.verdict(list(map(str, draft.updates)), draft.update, pipeline.spec.upgrade_policy)
    unused = unused_pvcs(draft.manifests, snapshot.objects, snapshot.pods)
    verdicts = {
        "Accepted": _ACCEPTED,
        "Ready": is_ready,
        **{f"{one.component.capitalize()}Available": one.available for one in draft.components},
        "ModelsReady": draft.models_ready,
        "ModelsLoaded": loaded,
        "ScalingActive": draft.scaling,
        "Exposed": draft.exposed,
        "Progressing": progressing,
        **kstatus.conditions(is_ready, progressing),
        "Verified": draft.verification.verdict,
        "UpdateAvailable": available,
        "PVCsOrphaned": pvcs.orphaned(unused, pipeline.namespace),
    }
    known = {kind: verdict for kind, verdict in verdicts.items() if verdict}
    draft.conditions = compose(known, snapshot.status, pipeline.metadata.generation, draft.now)


def compose_status(draft: Draft) -> None:
    """Compose the status."""
    pipeline, snapshot = draft.pipeline, draft.snapshot
    images = updates.images(snapshot.objects, pipeline.name)
    members = scaling_status(draft.scaler, draft.load, draft.models.volume)
    draft.status = build_status(pipeline, draft.components, draft.models, draft.conditions, images, members)


def add_weights(draft: Draft) -> None:
    """Add the state of Whisper's weights to the status, if its pods fetch any."""
    if fetched := weights.weights_state(draft.snapshot):
        before = (draft.snapshot.status.get("whisper") or {}).get("model")
        whisper = draft.status["whisper"]
        whisper["model"] = weights.as_status(fetched, draft.pipeline.spec.whisper.model, before)
        if progress := weights_progress(whisper["model"]):
            whisper["summary"] += f" {progress}"


def compose_events(draft: Draft) -> None:
    """Compose the Events for the changes of the status."""
    created = draft.pipeline.metadata.creation_timestamp
    reused = reused_pvcs(draft.manifests, draft.snapshot.objects, created)
    draft.events = events(draft.snapshot.status, draft.status, reused)


def _state(draft: Draft, loaded: Verdict | None) -> ready.PipelineState:
    # Loading only delays that a pipeline becomes ready: one that serves stays ready while another pod loads its models.
    was_ready = by_type(draft.snapshot.status).get("Ready", {}).get("status") == "True"
    return ready.PipelineState(
        components=draft.components,
        models=draft.models_ready,
        missing=draft.models_missing,
        exposed=draft.exposed,
        refused=[*_refused(draft)],
        retrying=refused_writes.retrying(draft.failures),
        held_back=draft.held_back,
        suspended=draft.pipeline.spec.suspend,
        url=bridge_url(draft.pipeline),
        unreadable=refused_writes.unreadable(draft.snapshot.unreadable),
        unverified=draft.verification.unready,
        loaded=None if was_ready else loaded,
    )


def _refused(draft: Draft) -> Iterator[Finding]:
    for failure in draft.failures:
        if finding := refused_writes.finding(failure):
            yield finding
    for move in draft.blocked_moves:
        if why := draft.snapshot.existing_claims.get(move.claim):
            yield pvcs.blocked_move(move.component, why)
