"""What a plan may ask for. Each action carries its reason, so that every write can be explained.

Whoever carries a plan out does it in the order of `Plan`'s fields; an action that fails is observed and planned anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from speechoperator.kube.objects import Object, Ref


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply of one object.

    Attributes:
        object: The whole object as wanted, the annotation `speechpipeline.dev/applied` included.
        reason: Why, in words: "not there", "spec.replicas is 3, wanted 2".
    """

    object: Object
    reason: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Deletion of an object that we own.

    Attributes:
        ref: Which.
        reason: Why, in words: "bridge.ingress left the spec".
        uid: The object that was seen; a precondition, so that a namesake made since then stays.
    """

    ref: Ref
    reason: str
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Orphan:
    """Removal of an ownerReference: the object outlives its owner, with its labels and its data.

    Attributes:
        ref: Which object.
        owner: The uid of the owner to remove; other owners stay.
        reason: Why, in words: "the spec no longer asks for PersistentVolumeClaim calls-ollama".
        uid: The object that was seen; a precondition.
    """

    ref: Ref
    owner: str
    reason: str
    uid: str


@dataclass(frozen=True, slots=True)
class StartPull:
    """A model to pull in the background; its progress comes back as an `observed.Pull`.

    Attributes:
        pod: The pod that pulls.
        address: Its Ollama's base URL: "http://10.0.0.7:11434".
        volume: What is filled: "claim:NAME" or "pod:NAME". Never two pulls at once into one volume.
        model: The name as the spec writes it, under which it is to be listed.
        source: The name to pull; where it is not `model` itself, it is copied to `model` and taken off afterwards.
        insecure: Whether a registry without TLS is allowed.
    """

    pod: str
    address: str
    volume: str
    model: str
    source: str
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class StopPull:
    """A pull to end, or a failed one to forget: nobody wants it any more.

    Attributes:
        volume: What it fills.
        model: The name as the spec wrote it.
        reason: Why, in words.
    """

    volume: str
    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class SetGate:
    """The readiness gate `speechpipeline.dev/models-ready` in a pod's status.

    Attributes:
        pod: Which pod.
        ready: The condition's status.
        reason: The condition's reason, CamelCase: "ModelsPresent", "ModelsMissing".
        message: The condition's message: "llama3, qwen3:4b", "qwen3:4b is not there yet".
        uid: The pod that was seen; a precondition.
    """

    pod: str
    ready: bool
    reason: str
    message: str = ""
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """An Event on the pipeline: something a person wants to know, once.

    Attributes:
        type: "Normal" or "Warning".
        reason: CamelCase.
        message: In words, at most 1024 bytes.
    """

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All that one reconcile does.

    Attributes:
        orphan: Objects to orphan, before anything else: the pipeline may be deleted at any moment.
        apply: Objects to apply, in this order: what others need stands before them.
        delete: Objects to delete, after everything was applied.
        stops: Pulls to end or to forget, before others are started.
        pulls: Pulls to start.
        gates: Readiness gates to set.
        status: The whole status as JSON. Write it only where it differs from `Snapshot.status`.
        events: Events to record, after the status was written.
        requeue_after: In how many seconds time alone changes the plan; None when only a change can.
    """

    orphan: tuple[Orphan, ...] = ()
    apply: tuple[Apply, ...] = ()
    delete: tuple[Delete, ...] = ()
    stops: tuple[StopPull, ...] = ()
    pulls: tuple[StartPull, ...] = ()
    gates: tuple[SetGate, ...] = ()
    status: dict[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    requeue_after: float | None = None
