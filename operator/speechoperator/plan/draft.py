"""The draft of a plan, which the steps in `decide` complete one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from speechoperator.plan.actions import Plan
from speechoperator.plan.conditions.verified import Verification
from speechoperator.plan.decisions import Decisions, from_spec
from speechoperator.plan.models.lifecycle import ModelPlan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from speechoperator.api import SpeechPipeline
    from speechoperator.kube.objects import Object
    from speechoperator.plan.actions import (
        AnnotatePod,
        Apply,
        Delete,
        Event,
        Orphan,
        ResumeRollout,
        StartCanary,
        UpdateState,
    )
    from speechoperator.plan.built import Built
    from speechoperator.plan.conditions.availability import ComponentState
    from speechoperator.plan.conditions.verdicts import Verdict
    from speechoperator.plan.rollout.claims import Move
    from speechoperator.plan.rollout.updates import Update
    from speechoperator.plan.scaler import ScalerPlan
    from speechoperator.plan.scaling.history import Reported
    from speechoperator.plan.snapshot import Snapshot, WriteFailure
    from speechoperator.settings import Settings


@dataclass(slots=True)
class Draft:
    """Inputs and intermediate results of a plan.

    Attributes:
        pipeline: The pipeline.
        snapshot: The snapshot.
        now: The time, in UTC.
        settings: The operator's settings.
        scaler: What the scaler decides about Whisper and Ollama.
        decisions: Replicas, offered models and images.
        environment: The bridges' environment according to the spec, with all its models.
        old_environment: The environment that the bridges have from an older spec; empty if they have the current one.
        models: What to do about the models.
        built: The manifests of the pipeline, whatever the cluster has.
        manifests: Those to compare with the cluster.
        blocked_moves: Components that keep their volume, because the PVC to move to cannot be used.
        updates: Changes of pods that come from a new release of the operator.
        held_updates: Those that are not applied now.
        update: Whether these wait for their turn, or are in progress.
        orphan: PVCs to orphan.
        apply: Objects to apply.
        delete: Objects to delete.
        annotate: Bridge pods to annotate, so that they get the new list of models.
        resumptions: Rollouts to continue that Kubernetes has stopped.
        failures: Refused writes that still matter.
        components: The states of Whisper, Ollama and the bridge.
        models_ready: Whether the models are present in every pod.
        models_missing: Why missing models keep the pipeline from being ready; None if they do not.
        held_back: What a held back change is waiting for; empty if none is held back.
        exposed: Whether the bridge is exposed; None if no exposure is wanted.
        verification: What is known from the canary request.
        canary: The canary request to start.
        load: What the status says about the load.
        scaling: Whether the operator scales; None if it runs neither Whisper nor Ollama.
        conditions: The conditions of the new status.
        status: The new status.
        events: The Events for its changes.
        requeue_after: Seconds until the plan changes by time alone, for each reason.
    """

    pipeline: SpeechPipeline
    snapshot: Snapshot
    now: datetime
    settings: Settings
    scaler: ScalerPlan = field(init=False)
    decisions: Decisions = field(init=False)
    environment: Mapping[str, str] = field(default_factory=dict)
    old_environment: Mapping[str, str] = field(default_factory=dict)
    models: ModelPlan = field(default_factory=ModelPlan)
    built: Built | None = None
    manifests: tuple[Object, ...] = ()
    blocked_moves: tuple[Move, ...] = ()
    updates: tuple[Update, ...] = ()
    held_updates: tuple[Update, ...] = ()
    update: UpdateState = "none"
    orphan: tuple[Orphan, ...] = ()
    apply: tuple[Apply, ...] = ()
    delete: tuple[Delete, ...] = ()
    annotate: tuple[AnnotatePod, ...] = ()
    resumptions: tuple[ResumeRollout, ...] = ()
    failures: tuple[WriteFailure, ...] = ()
    components: tuple[ComponentState, ...] = ()
    models_ready: Verdict = field(init=False)
    models_missing: Verdict | None = None
    held_back: str = ""
    exposed: Verdict | None = None
    verification: Verification = field(default_factory=Verification)
    canary: StartCanary | None = None
    load: Reported = field(init=False)
    scaling: Verdict | None = None
    conditions: list[dict[str, Any]] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    requeue_after: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.decisions = from_spec(self.pipeline, self.settings)

    def requeue(self, seconds: float | None) -> None:
        """Plan again after so many seconds; None has no effect."""
        if seconds is not None:
            self.requeue_after.append(seconds)

    def plan(self) -> Plan:
        """Return the completed plan."""
        return Plan(
            orphan=self.orphan,
            apply=self.apply,
            annotate=self.annotate,
            costs=self.scaler.costs,
            scales=self.scaler.scales,
            resumptions=self.resumptions,
            delete=self.delete,
            stops=self.models.stops,
            pulls=self.models.pulls,
            warm_ups=self.models.warmth.start,
            removals=self.models.removals,
            canary=self.canary,
            status=self.status,
            events=self.events,
            update=self.update,
            history=self.scaler.history,
            built=self.built,
            requeue_after=min(self.requeue_after, default=None),
        )
