"""What the operator saw of one pipeline before it decided: a snapshot that nothing changes any more.

Whoever observes fills it in (indexed objects, the pods' own answers, the pulls under way); the plan only reads it.
Objects are the API's JSON as it came, since what a person or a webhook added to them must survive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from speechoperator.kube.objects import Object, Ref


EXTERNAL = "url"
"""The key in `Snapshot.ollama` of an Ollama that runs elsewhere (`spec.ollama.url`); no pod of ours has this name."""


NAME_TAKEN = "AlreadyExists"
"""The reason of a `WriteFailure` where an object of the wanted name is there and is not the pipeline's."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a service answered that runs elsewhere (`url`).

    Attributes:
        healthy: Whether it answered as such a service does.
        detail: If not, why, in the words of the error or of the answer: "connection refused", "HTTP 502: Bad Gateway".
    """

    healthy: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class OllamaPod:
    """What one Ollama said about itself.

    Attributes:
        reachable: Whether it answered. When not, `models` says nothing.
        detail: If not, why.
        models: What `/api/tags` listed: name as Ollama writes it ("llama3:latest") to digest.
    """

    reachable: bool
    detail: str = ""
    models: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull that runs or has failed. One that succeeded is listed no more: the model is in its pod's `models` then.

    Attributes:
        model: The name as the spec writes it.
        volume: What it fills: "claim:NAME" where pods share a claim, else "pod:NAME".
        stage: "Pulling", or "Failed" until it is started again.
        completed: Bytes there so far, over all layers; 0 while unknown.
        total: Bytes in all layers that are known; 0 while unknown.
        rate: Bytes per second, smoothed; 0 while unknown.
        error: Ollama's own words (or the connection's) after a failure.
        attempts: Failures in a row, this one counted; 0 while the first attempt runs.
        retry_at: After a failure, when it may start again: `models_lifecycle.retry_at(attempts, now)`.
        pod: The pod that pulls, or last tried.
    """

    model: str
    volume: str
    stage: Literal["Pulling", "Failed"]
    completed: int = 0
    total: int = 0
    rate: float = 0.0
    error: str = ""
    attempts: int = 0
    retry_at: datetime | None = None
    pod: str = ""


@dataclass(frozen=True, slots=True)
class WriteFailure:
    """A write of the last reconcile that the API server refused.

    Attributes:
        ref: The object that was to be written.
        verb: As RBAC names it: "create", "patch", "delete".
        code: The HTTP status, 0 when there was no answer.
        message: The server's own words.
        reason: Its CamelCase word, "" when it gave none; `NAME_TAKEN` where the name is somebody else's.
    """

    ref: Ref
    verb: str
    code: int
    message: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a plan is made from, beside the pipeline and the time.

    Attributes:
        objects: What is there with the pipeline's labels, of the kinds that we build, foreign owners included.
        pods: Its pods, terminating ones included.
        ollama: What each Ollama pod said, by pod name; under `EXTERNAL` the one behind `spec.ollama.url`.
            A pod that was not asked yet is missing.
        external: Health of the services behind `url`, by part ("whisper", "ollama").
        pulls: Pulls under way or failed, by (volume, model as the spec writes it).
        ingress_class_missing: The IngressClass that `spec.bridge.ingress` names and the cluster has not ("" when it
            names none and the cluster has no default); None when all is well or no ingress is asked for.
        claim_warnings: The newest Warning event on a claim that is not bound, by claim: "storageclass "x" not found".
        pod_warnings: The newest Warning event on a pod that is not ready, by pod. Some faults are told nowhere else:
            a Secret that a volume needs (FailedMount), what a probe was answered (Unhealthy).
        failures: Writes of the last reconcile that were refused.
        status: The pipeline's status as it stands in the API, {} when it has none.
    """

    objects: Mapping[Ref, Object] = field(default_factory=dict)
    pods: tuple[Object, ...] = ()
    ollama: Mapping[str, OllamaPod] = field(default_factory=dict)
    external: Mapping[str, Health] = field(default_factory=dict)
    pulls: Mapping[tuple[str, str], Pull] = field(default_factory=dict)
    ingress_class_missing: str | None = None
    claim_warnings: Mapping[str, str] = field(default_factory=dict)
    pod_warnings: Mapping[str, str] = field(default_factory=dict)
    failures: tuple[WriteFailure, ...] = ()
    status: Object = field(default_factory=dict)
