"""The decision: objects, models, conditions and when to look again, from one snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api.names import object_name
from speechoperator.kube.objects import Ref
from speechoperator.plan import diff
from speechoperator.plan.actions import Plan
from speechoperator.plan.conditions import exposure, inputs, models, ready, refused_writes
from speechoperator.plan.conditions.compose import by_type, compose
from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.events import events
from speechoperator.plan.manifests.build import build
from speechoperator.plan.models.lifecycle import models as models_of
from speechoperator.plan.rollout import handover
from speechoperator.plan.status import address, status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from speechoperator.api import SpeechPipeline
    from speechoperator.plan.conditions.availability import ComponentState
    from speechoperator.plan.snapshot import Snapshot, WriteFailure
    from speechoperator.settings import Settings

_ACCEPTED = Verdict(holds=True, reason="Valid", message="the spec is valid")
_UNHEALTHY_AGAIN = 5.0
_HEALTHY_AGAIN = 30.0
"""Seconds until a service that runs elsewhere is asked again whether it answers: nobody else tells of it."""


def plan(pipeline: SpeechPipeline, snapshot: Snapshot, now: datetime, settings: Settings) -> Plan:
    """Decide what to do about one pipeline.

    Args:
        pipeline: What is wanted.
        snapshot: What is there.
        now: The time, in UTC.
        settings: The operator's settings.
    """
    wanted = build(pipeline, settings)
    before = handover.known(pipeline.name, wanted, snapshot.objects)
    lifecycle = models_of(pipeline.spec, snapshot, now, settings.ollama_port, handover.offers(before))
    if lifecycle.offered is not None:
        wanted = build(pipeline, settings, lifecycle.offered)
    apply = diff.applies(wanted, snapshot.objects)
    delete = diff.deletes(wanted, snapshot.objects, pipeline.metadata.uid)

    writing = frozenset(diff.ref(one.object) for one in apply)
    gated = frozenset(Ref("Pod", gate.pod) for gate in lifecycle.gates)
    failures = inputs.mattering(snapshot.failures, writing | gated | {one.ref for one in delete})
    changing = writing if _unsettled(pipeline, snapshot) else frozenset()
    parts = inputs.part_states(pipeline, snapshot, wanted, changing, failures, now)

    there = models.verdict(lifecycle, managed=pipeline.spec.ollama.managed, suspended=pipeline.spec.suspend)
    held = ""
    bridge = Ref("Deployment", object_name(pipeline.name, "bridge"))
    if not pipeline.spec.suspend and bridge in snapshot.objects:
        moving = handover.moves(before, pipeline.name, wanted)
        late = [part.part for part in parts if part.part in moving and not _takes_over(part, there)]
        if late:
            held = f"the bridge keeps the address of {' and '.join(late)} that it has until the new one serves"
            apply = handover.without_bridge(apply, pipeline.name)
        if late or bridge in writing or parts[-1].rollout:
            delete = handover.without_called(delete, snapshot.objects)

    exposed, exposed_again = _exposed(pipeline, snapshot, failures, now)
    found = ready.Findings(
        parts=parts,
        models=there,
        exposed=exposed,
        refused=[problem for failure in failures if (problem := refused_writes.problem(failure))],
        trouble=refused_writes.trouble(failures),
        held=held,
        suspended=pipeline.spec.suspend,
        url=address(pipeline),
    )
    verdicts = {
        "Accepted": _ACCEPTED,
        "Ready": ready.ready(found),
        **{f"{part.part.capitalize()}Available": part.available for part in parts},
        "ModelsReady": there,
        **({"Exposed": exposed} if exposed else {}),
        "Progressing": ready.progressing(found),
    }
    conditions = compose(verdicts, snapshot.status, pipeline.metadata.generation, now)
    said = status(pipeline, parts, lifecycle.states, conditions)
    return Plan(
        apply=apply,
        delete=delete,
        stops=lifecycle.stops,
        pulls=lifecycle.pulls,
        gates=lifecycle.gates,
        status=said,
        events=events(snapshot.status, said),
        requeue_after=_soonest(parts, lifecycle.requeue_after, exposed_again),
    )


def _unsettled(pipeline: SpeechPipeline, snapshot: Snapshot) -> bool:
    """Tell whether what is yet to be written makes the pipeline unready.

    It does where the spec is new: nobody may take for Ready what is of the spec before. The repair of what somebody
    changed in a pipeline that is ready does not.
    """
    new = snapshot.status.get("observedGeneration") != pipeline.metadata.generation
    return new or by_type(snapshot.status).get("Ready", {}).get("status") != "True"


def _takes_over(part: ComponentState, models: Verdict) -> bool:
    return bool(part.available.holds) and (part.part != "ollama" or bool(models.holds))


def _exposed(
    pipeline: SpeechPipeline, snapshot: Snapshot, failures: Sequence[WriteFailure], now: datetime
) -> tuple[Verdict | None, float | None]:
    bridge, name, refused = pipeline.spec.bridge, object_name(pipeline.name, "bridge"), inputs.exposing(failures)
    if bridge.ingress:
        live = snapshot.objects.get(Ref("Ingress", name))
        return exposure.ingress(live, snapshot.ingress_class_missing, refused, address(pipeline)), None
    if bridge.gateway:
        return exposure.route(snapshot.objects.get(Ref("HTTPRoute", name)), refused, address(pipeline), now)
    return None, None


def _soonest(parts: Sequence[ComponentState], *waits: float | None) -> float | None:
    times = [wait for wait in (*waits, *(part.requeue_after for part in parts)) if wait is not None]
    times += [_HEALTHY_AGAIN if part.available.holds else _UNHEALTHY_AGAIN for part in parts if part.desired is None]
    return min(times, default=None)
