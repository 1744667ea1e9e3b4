"""The state of one pipeline and its surroundings at one moment: an immutable snapshot, the input of a plan.

`observe` fills it in from watched objects, the pods' own state and running pulls; a plan only reads it. Objects are the
JSON of the API server, unabridged, because changes by people and webhooks must survive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from speechoperator.plan.scaling.history import History
from speechoperator.plan.scaling.load import Loads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from speechoperator.api import LanguageModel
    from speechoperator.kube.objects import Object, Ref
    from speechoperator.plan.built import Built
    from speechoperator.plan.scaling.load import Report


EXTERNAL = "url"
"""Key in `Snapshot.ollama` of the external Ollama (`spec.ollama.url`); no pod of the pipeline has this name."""


NAME_CONFLICT = "AlreadyExists"
"""Reason of a `WriteFailure`: an object of this name exists and belongs to something else."""

WRITE_CONFLICT = "WriteConflict"
"""Reason of a `WriteFailure`: another writer keeps undoing the write."""


SCALE = "Scale"
"""Kind of the `ref` of a `WriteFailure` about the replicas of a Deployment."""


@dataclass(frozen=True, slots=True)
class Health:
    """Result of probing an external service (`url`).

    Attributes:
        healthy: Whether it responded as expected of such a service.
        detail: Why not, in the words of the error or response: "connection refused", "HTTP 502: Bad Gateway".
        rejected: Whether it responds, but rejects requests without credentials (401, 403). The operator has none.
    """

    healthy: bool
    detail: str = ""
    rejected: bool = False


class Memory(NamedTuple):
    """The memory that a loaded model takes, in bytes.

    Attributes:
        total: All of it.
        gpu: The share on GPUs.
    """

    total: int
    gpu: int


@dataclass(frozen=True, slots=True)
class OllamaPod:
    """What one Ollama reported about itself.

    Attributes:
        reachable: Whether it responded. If not, `models` is meaningless.
        detail: Why not.
        models: The list from `/api/tags`: name in Ollama's notation ("llama3:latest") to digest; from a service with
            OpenAI's API that from `/v1/models`, with empty digests.
        sizes: Bytes of each model, by the same names; layers that models share count for each.
        loaded: The models in memory, from `/api/ps`, by the same names.
        rejected: Whether an external service responds, but does not list its models without credentials (401, 403).
    """

    reachable: bool
    detail: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    loaded: Mapping[str, Memory] = field(default_factory=dict)
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull that is running or has failed. After success the model is listed in `OllamaPod.models` instead.

    Attributes:
        model: The name of the model in the spec.
        volume: The volume being filled: "pvc:NAME" where pods share a PVC, else "pod:NAME".
        stage: "Pulling", or "Failed" until it is started again.
        completed: Bytes downloaded so far, over all layers; 0 while unknown.
        total: Bytes of all known layers; 0 while unknown.
        rate: Bytes per second, smoothed; 0 until it has settled.
        verifying: Whether all bytes are there, and Ollama computes their checksums.
        error: The error of Ollama or of the connection, after a failure.
        attempts: Consecutive failures; 0 while the first attempt runs.
        retry_at: After a failure, when it may start again: `pull_errors.retry_at(attempts, now)`.
        pod: The pod that pulls, or tried last.
    """

    model: str
    volume: str
    stage: Literal["Pulling", "Failed"]
    completed: int = 0
    total: int = 0
    rate: float = 0.0
    verifying: bool = False
    error: str = ""
    attempts: int = 0
    retry_at: datetime | None = None
    pod: str = ""


FetchStage: TypeAlias = Literal["waiting", "downloading", "verifying", "ready"]


@dataclass(frozen=True, slots=True)
class Fetch:
    """What the init container of a Whisper pod reports about its weights.

    Attributes:
        stage: "waiting" while another pod fills the volume.
        completed: Bytes on the volume.
        total: Bytes in all; 0 while unknown.
        rate: Bytes per second, smoothed; 0 while unknown.
    """

    stage: FetchStage
    completed: int = 0
    total: int = 0
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Canary:
    """The canary request of a pipeline: the last result for these pods.

    Attributes:
        version: What identifies the pods.
        running: Whether one is on its way.
        ended: When the last one ended; None if none has.
        error: Why it failed; empty if it did not.
        timed_out: Whether it failed only because no answer came in time.
        failures: Consecutive failures of these pods.
        whisper_s: Seconds of the transcription.
        llm_s: Seconds of the language model.
        total_s: Seconds of the whole request.
    """

    version: str
    running: bool = False
    ended: datetime | None = None
    error: str = ""
    timed_out: bool = False
    failures: int = 0
    whisper_s: float = 0.0
    llm_s: float = 0.0
    total_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WarmUp:
    """The loading of a pod's models into memory.

    Attributes:
        pod: The pod.
        key: What is loaded: `warmth.Load.key`. Another key is another warm-up.
        stage: "Loading", "Failed" until it is started again, or "Loaded".
        model: The model that is being loaded, or could not be.
        evicted: Models that Ollama removed from memory to load others.
        memory: The memory of each model, by name, as seen right after it was loaded.
        error: The error of Ollama or of the connection, after a failure.
        attempts: Consecutive failures.
        retry_at: After a failure, when it may start again.
    """

    pod: str
    key: str
    stage: Literal["Loading", "Failed", "Loaded"]
    model: str = ""
    evicted: tuple[str, ...] = ()
    memory: Mapping[str, Memory] = field(default_factory=dict)
    error: str = ""
    attempts: int = 0
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WriteFailure:
    """A write of the last reconcile that the API server refused.

    Attributes:
        ref: The object to be written.
        verb: In RBAC terms: "create", "patch", "delete".
        code: The HTTP status; 0 without a response.
        message: The server's message.
        reason: The server's CamelCase reason, "" if none; `NAME_CONFLICT` if the name is taken,
            `WRITE_CONFLICT` if the write was made and undone.
    """

    ref: Ref
    verb: str
    code: int
    message: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a plan depends on, besides the pipeline, the time and the settings.

    Attributes:
        objects: Existing objects with the labels of the pipeline, of the kinds that the operator creates, whoever owns
            them.
        pods: The pods of the pipeline, including terminating ones.
        ollama: What each Ollama pod reported, by pod name; under `EXTERNAL` the one behind `spec.ollama.url`. A pod
            that has not been queried yet is missing.
        external: Health of the services behind `url`, by component ("whisper", "ollama").
        pulls: Running and failed pulls, by (volume, name of the model in the spec).
        waiting_pulls: What pulls wait for that are to start, by (volume, name of the model in the spec): another
            pipeline pulls into the volume, or too many pulls run.
        fetches: What the init container of each Whisper pod reports about its weights, by pod name; without pods whose
            init container does not run, or does not respond.
        canary: The canary request; None if there was none.
        refreshed: When each model with pullPolicy Always was last pulled, by (volume, name in the spec), as far as this
            process knows.
        warm_ups: The loading of models, by pod.
        wanted_by_others: Canonical names of the models that other pipelines want on a volume that they may share with
            this one, by volume; None if a pipeline cannot be read. A volume of this pipeline alone is missing.
        defined_by_others: The models of this pipeline that others with the same volume define too, by volume, each as
            the other spec has it, with who that is: "pipeline other".
        existing_claims: Why each PVC that a running component is to move to (`cache.existingClaim`) cannot be used, by
            name; empty if it can. A PVC that has not been looked up yet is missing.
        ingress_class_missing: The IngressClass in `spec.bridge.ingress` that does not exist ("" for a missing default);
            None if it exists or no Ingress is wanted.
        pvc_warnings: Newest Warning Event of each unbound PVC, by name: "storageclass "x" not found".
        pod_warnings: Newest Warning Event of each pod that is not ready, by name. Some faults are reported nowhere
            else: a missing Secret of a volume (FailedMount), the response to a probe (Unhealthy). For a pod without a
            node, that the cluster autoscaler adds none (NotTriggerScaleUp).
        loads: What the pods and bridges report of their work; unknown unless observed.
        pod_loads: The work of each pod of Whisper and Ollama, by name, as it or the bridges report it. A pod whose work
            is unknown is missing.
        models_revisions: Which list of models each ready bridge uses, by name: "" if it answers without saying so (an
            older image), None if it has not answered yet. A bridge that has been silent for 45 s is missing, and one
            that is not asked.
        may_update: Whether the pods may be replaced now because of a new release of the operator.
        failures: Refused writes of the last reconcile.
        unreadable: Failed lists, as failed writes: what is known of these kinds may be outdated.
        status: The current status of the pipeline in the API, {} if none.
        history: What the scaler remembers of its decisions so far.
        built: The manifests of the previous plan, to be used again if nothing they are made from has changed; None if
            they are not kept. They make no difference to the plan but for its cost.
    """

    objects: Mapping[Ref, Object] = field(default_factory=dict)
    pods: tuple[Object, ...] = ()
    ollama: Mapping[str, OllamaPod] = field(default_factory=dict)
    external: Mapping[str, Health] = field(default_factory=dict)
    pulls: Mapping[tuple[str, str], Pull] = field(default_factory=dict)
    waiting_pulls: Mapping[tuple[str, str], str] = field(default_factory=dict)
    fetches: Mapping[str, Fetch] = field(default_factory=dict)
    canary: Canary | None = None
    refreshed: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    warm_ups: Mapping[str, WarmUp] = field(default_factory=dict)
    wanted_by_others: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    defined_by_others: Mapping[str, tuple[tuple[str, LanguageModel], ...]] = field(default_factory=dict)
    existing_claims: Mapping[str, str] = field(default_factory=dict)
    ingress_class_missing: str | None = None
    pvc_warnings: Mapping[str, str] = field(default_factory=dict)
    pod_warnings: Mapping[str, str] = field(default_factory=dict)
    loads: Loads = field(default_factory=Loads)
    pod_loads: Mapping[str, Report] = field(default_factory=dict)
    models_revisions: Mapping[str, str | None] = field(default_factory=dict)
    may_update: bool = False
    failures: tuple[WriteFailure, ...] = ()
    unreadable: tuple[WriteFailure, ...] = ()
    status: Object = field(default_factory=dict)
    history: History = field(default_factory=History)
    built: Built | None = field(default=None, compare=False, repr=False)
