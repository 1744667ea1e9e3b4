"""The actions that a plan consists of. Each action carries its reason, so that every write can be explained.

Actions are carried out in the order of the fields of `Plan`. An action that fails shows in the next snapshot and is
planned again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.kube.objects import Object, Ref
    from speechoperator.plan.built import Built
    from speechoperator.plan.scaling.history import History

UpdateState: TypeAlias = Literal["none", "waiting", "running"]
"""Whether a pipeline waits for its turn to be updated to a new operator release, or is being updated."""


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply of one object.

    Attributes:
        object: The whole object, including the annotation `speechpipeline.dev/applied`.
        reason: Why: "missing", "spec.replicas is 3, wanted 2".
    """

    object: Object
    reason: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Deletion of an object that the pipeline owns.

    Attributes:
        ref: The object.
        reason: Why: "Ingress calls-bridge was removed from the spec".
        uid: The uid of the object in the snapshot; a precondition, so that a newer object of the same name is kept.
        version: Its resourceVersion in the snapshot; a precondition, so that an object that was changed since is kept.
    """

    ref: Ref
    reason: str
    uid: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Orphan:
    """Removal of an ownerReference: the object outlives its owner, with its labels and its data.

    Attributes:
        ref: The object.
        owner: The uid of the owner to remove; other owners stay.
        reason: Why: "PersistentVolumeClaim calls-ollama was removed from the spec".
        uid: The uid of the object in the snapshot; a precondition.
    """

    ref: Ref
    owner: str
    reason: str
    uid: str


@dataclass(frozen=True, slots=True)
class PodCost:
    """A pod's deletion cost, by which its ReplicaSet deletes idle pods first when it is scaled down.

    Attributes:
        pod: The name of the pod.
        uid: Its uid in the snapshot; a precondition.
        cost: The cost; 0 is that of an idle pod, and of one without the annotation.
    """

    pod: str
    uid: str
    cost: int


@dataclass(frozen=True, slots=True)
class AnnotatePod:
    """An annotation of a bridge pod with a list of models; its kubelet then brings it the current one at once.

    Attributes:
        pod: The name of the pod.
        uid: Its uid in the snapshot; a precondition.
        revision: The revision of the list.
    """

    pod: str
    uid: str
    revision: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Server-side apply of `spec.replicas` of a Deployment, and of nothing else, by the scaler's own field manager.

    Attributes:
        ref: The Deployment.
        component: The component that it runs.
        before: Its replicas in the snapshot; None if it does not exist: it is created by the same plan.
        replicas: Replicas to run.
        reason: Why.
        id: The identifier of the decision in `status.scalingHistory`; empty if only the ownership of the field changes.
        undoes: The field manager that has changed the number since the scaler wrote it; empty if none has.
    """

    ref: Ref
    component: str
    before: int | None
    replicas: int
    reason: str
    id: str = ""
    undoes: str = ""


@dataclass(frozen=True, slots=True)
class ResumeRollout:
    """Correction of ReplicaSets that keep Kubernetes from carrying out a rollout: see `plan.rollout.stuck`.

    Attributes:
        ref: The Deployment.
        uid: Its uid in the snapshot: its ReplicaSets have it as their owner.
        replicas: Its replicas, which its ReplicaSets are to know.
    """

    ref: Ref
    uid: str
    replicas: int


@dataclass(frozen=True, slots=True)
class StartPull:
    """Start of a pull in the background; its progress shows as a `Pull` in the snapshot.

    Attributes:
        pod: The pod that pulls.
        address: The base URL of its Ollama: "http://10.0.0.7:11434".
        volume: The volume to be filled: "pvc:NAME" or "pod:NAME". At most one pull runs per volume.
        model: The name of the model in the spec, under which Ollama is to list it.
        source: The name to pull. If it differs from `model`, the model is copied to `model` and `source` is removed.
        insecure: Whether to allow a registry without TLS.
        capacity: Bytes that the volume certainly cannot exceed; 0 if that is unknown.
        used: Bytes of the models that are on the volume. Those to be replaced count: they are removed
            afterwards.
        definition: What to derive `model` from `source` with; empty if it is no derived model. `source` then stays.
        refresh: Whether `source` is pulled although it is there.
        adopt: Whether `model` is there, and is only to be marked as pulled from `source` (unless it already is).
    """

    pod: str
    address: str
    volume: str
    model: str
    source: str
    insecure: bool = False
    capacity: int = 0
    used: int = 0
    definition: Mapping[str, Any] = field(default_factory=dict)
    refresh: bool = False
    adopt: bool = False


@dataclass(frozen=True, slots=True)
class StopPull:
    """Cancellation of a pull that is no longer wanted; of a failed one, its removal from the snapshot.

    Attributes:
        volume: The volume that it fills.
        model: The name of the model in the spec.
        reason: Why.
    """

    volume: str
    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class StartCanary:
    """Start of a canary request in the background; its result shows as the `Canary` in the snapshot.

    Attributes:
        url: The base URL of the bridge's Service.
        version: What identifies the pods that it is sent to.
    """

    url: str
    version: str


@dataclass(frozen=True, slots=True)
class StartWarmUp:
    """Start of loading a pod's models in the background; it shows as a `WarmUp` in the snapshot.

    Attributes:
        pod: The pod.
        address: The base URL of its Ollama.
        key: What is loaded.
        loads: The models in the order in which they are loaded, each with the members of a request that decide how.
        continued: Whether it is in progress, and is only to continue: it must not be started again.
    """

    pod: str
    address: str
    key: str
    loads: tuple[tuple[str, Mapping[str, Any]], ...]
    continued: bool = False


@dataclass(frozen=True, slots=True)
class RemoveModel:
    """Removal of a model from a volume.

    Attributes:
        pod: The pod whose Ollama removes it.
        address: The base URL of its Ollama.
        volume: The volume.
        model: The name, as Ollama lists it.
        reason: Why.
        leftover: Whether it is removed only if it still serves nothing, by `definitions.leftovers`: a pull of another
            pipeline may have made a marker valid again.
    """

    pod: str
    address: str
    volume: str
    model: str
    reason: str
    leftover: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """An Event on the pipeline, recorded once.

    Attributes:
        type: "Normal" or "Warning".
        reason: In CamelCase.
        message: Human-readable, at most 1024 bytes.
    """

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that one reconcile does.

    Attributes:
        orphan: Objects to orphan, before anything else: the pipeline may be deleted at any moment.
        apply: Objects to apply, in this order: dependencies come first.
        annotate: Bridge pods to annotate, after the list of models was written.
        costs: Deletion costs of pods, before their Deployment is scaled down.
        scales: Replicas to write, in this order: fewer before more. A missing Deployment has been created before.
        resumptions: Rollouts to continue that Kubernetes has stopped.
        delete: Objects to delete, after everything was applied.
        stops: Pulls to cancel or remove, before others are started.
        pulls: Pulls to start.
        warm_ups: Loads of models into memory to start; those of pods that are not listed are stopped.
        removals: Models to remove from volumes.
        canary: The canary request to start; None for none.
        status: The whole status as JSON. Written only if it differs from `Snapshot.status`.
        events: Events to record, after the status was written.
        update: The state of its update to a new operator release.
        history: What the scaler remembers once the plan has been carried out; None if it has decided nothing.
        built: The manifests, for the next plan; None if none were built.
        requeue_after: Seconds until the plan changes by time alone; None if only a change of the cluster can.
    """

    orphan: tuple[Orphan, ...] = ()
    apply: tuple[Apply, ...] = ()
    annotate: tuple[AnnotatePod, ...] = ()
    costs: tuple[PodCost, ...] = ()
    scales: tuple[Scale, ...] = ()
    resumptions: tuple[ResumeRollout, ...] = ()
    delete: tuple[Delete, ...] = ()
    stops: tuple[StopPull, ...] = ()
    pulls: tuple[StartPull, ...] = ()
    warm_ups: tuple[StartWarmUp, ...] = ()
    removals: tuple[RemoveModel, ...] = ()
    canary: StartCanary | None = None
    status: dict[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    update: UpdateState = "none"
    history: History | None = None
    built: Built | None = field(default=None, compare=False, repr=False)
    requeue_after: float | None = None
