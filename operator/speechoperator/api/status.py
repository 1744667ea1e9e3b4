"""The status of a SpeechPipeline: its schema. The plan writes the status as JSON.

The API server prunes fields that are not described here, and the operator would write them again and again.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StrictInt

from speechoperator.api.base import Model

if TYPE_CHECKING:
    from collections.abc import Mapping

CONDITION_TYPES: Mapping[str, str] = {
    "Accepted": "The spec is valid.",
    "Ready": "The pipeline serves requests and matches its spec, or is suspended or scaled to zero as the spec says.",
    "WhisperAvailable": "Whisper has enough ready replicas, or its external service responds.",
    "OllamaAvailable": "Ollama has enough ready replicas, or its external service responds.",
    "BridgeAvailable": "The bridge has enough ready replicas.",
    "ModelsReady": "Every Ollama pod has all language models.",
    "ScalingActive": "The operator scales Whisper and Ollama with their load. Present only if it runs one of them.",
    "ModelsLoaded": "Every Ollama pod has loaded the models into memory since it started. Present only once the pods "
    "have the models.",
    "Exposed": "The Ingress or HTTPRoute works. Present only if one is configured.",
    "Progressing": "The pipeline is moving towards its spec. False means up to date or stuck; see the reason.",
    "Reconciling": "The same as Progressing, or why Ready is not True yet, for tools that follow kstatus. Present only "
    "while it is True.",
    "Stalled": "The pipeline does not become ready by waiting. For tools that follow kstatus. Present only while it is "
    "True.",
    "Verified": "A spoken sentence passed through all components. Absent before they are available, while suspended, "
    "and with verification disabled.",
    "UpdateAvailable": "A new release of the operator changes the pods. Present only until that is done.",
    "PVCsOrphaned": "PVCs of the pipeline are no longer used; their data is kept. Present only if there are any.",
}
"""The condition types, in the order of the status, each with what True means."""

Int64 = Annotated[StrictInt, Field(json_schema_extra={"format": "int64"})]
Int32 = Annotated[StrictInt, Field(json_schema_extra={"format": "int32"})]


class ModelStatus(Model):
    """Pull progress of a language model."""

    name: str = Field(description="Name of the model, as in spec.ollama.models.")
    stage: Literal["Pending", "Pulling", "Warming", "Ready", "Failed"] = Field(
        description="Pending: the pull has not started. Pulling: the model is being downloaded. Warming: it is being "
        "loaded into memory for the first time. Ready: every Ollama pod has the model. Failed: see message."
    )
    completed_bytes: Int64 | None = Field(None, description="Bytes downloaded so far.")
    total_bytes: Int64 | None = Field(None, description="Total bytes to download, as far as Ollama has reported them.")
    percent: Int32 | None = Field(None, description="Share that is downloaded, rounded down.")
    bytes_per_second: Int64 | None = Field(None, description="Speed of the download. Missing until it has settled.")
    eta_seconds: Int64 | None = Field(
        None, description="Estimated seconds until the download completes. Missing until the speed has settled."
    )
    pulled_at: datetime | None = Field(None, description="When the model was last pulled, with pullPolicy Always.")
    memory_bytes: Int64 | None = Field(None, description="Memory that the model takes, as last seen.")
    gpu_bytes: Int64 | None = Field(None, description="The share of memoryBytes on GPUs.")
    swapped: bool | None = Field(None, description="Whether Ollama unloaded the model to load another.")
    replicas_ready: Int32 | None = Field(None, description="Number of Ollama pods that have the model.")
    message: str | None = Field(None, description="Why the model is not ready, and what to do.")


class UnusedModel(Model):
    """A model on the volume that no pipeline wants."""

    name: str = Field(description="Name of the model, as Ollama lists it.")
    size_bytes: Int64 | None = Field(None, description="Its size; layers that it shares with other models stay.")
    since: datetime = Field(description="Since when no pipeline wants it.")


class ComponentStatus(Model):
    """Replicas of a component."""

    desired: Int32 | None = Field(None, description="Desired number of replicas.")
    replicas: Int32 | None = Field(None, description="Actual number of replicas.")
    ready: Int32 | None = Field(None, description="Number of ready replicas.")
    summary: str | None = Field(
        None,
        description="Ready and desired replicas as shown by `kubectl get`, such as 1/2; external for an external "
        "service. While Whisper's model is downloaded, with its progress, such as 0/1 43% 16MB/s 1m30s.",
    )
    replicas_reason: str | None = Field(None, description="Why this number of replicas was chosen.")
    image: str | None = Field(None, description="Container image of the pods.")


class WeightsStatus(Model):
    """Download progress of Whisper's weights."""

    name: str = Field(description="Name of the model, as in spec.whisper.model.")
    stage: Literal["Pending", "Pulling", "Ready", "Failed"] = Field(
        description="Pending: the download has not started, or another pod fills the volume. Pulling: the weights are "
        "being downloaded. Ready: every Whisper pod has them. Failed: see message."
    )
    completed_bytes: Int64 | None = Field(None, description="Bytes downloaded so far, to one percent.")
    total_bytes: Int64 | None = Field(None, description="Total bytes to download.")
    bytes_per_second: Int64 | None = Field(None, description="Bytes downloaded per second.")
    eta_seconds: Int64 | None = Field(None, description="Estimated seconds until the download completes.")
    message: str | None = Field(None, description="Why the download failed, and what to do.")


class WhisperStatus(ComponentStatus):
    """Replicas of Whisper, and its weights."""

    model: WeightsStatus | None = Field(
        None, description="Download progress of the weights. Absent if none are downloaded, or if there is no pod."
    )
    backlog_seconds: Int64 | None = Field(
        None, description="Seconds of audio that wait for a pod, rounded up to 10, 20, 50, 100 and so on."
    )
    startup_seconds: Int32 | None = Field(
        None, description="Measured seconds from the creation of a pod until it is ready."
    )


class OllamaStatus(ComponentStatus):
    """Replicas of Ollama."""

    startup_seconds: Int32 | None = Field(
        None, description="Measured seconds from the creation of a pod until it is ready."
    )
    volume: str | None = Field(
        None, description="Volume with the models of status.models, such as pvc:calls-ollama; unset for emptyDirs."
    )
    warm_pods: dict[str, str] | None = Field(
        None, description="Pods that have loaded their models, each with a hash of what they have loaded."
    )


class BridgeStatus(ComponentStatus):
    """Replicas of the bridge."""

    selector: str | None = Field(None, description="Label selector of the bridge's pods, for the scale subresource.")


class ScalingChange(Model):
    """A decision to change the replicas of a component."""

    time: datetime = Field(description="When it was decided.")
    component: Literal["whisper", "ollama"] = Field(description="Component whose replicas change.")
    from_: Int32 = Field(alias="from", description="Number of replicas before; in the mode Advisory, those that run.")
    to: Int32 = Field(description="Number of replicas after.")
    reason: str = Field(description="Why the number changes.")
    id: str = Field(description="Identifier of the decision, which the operator's log and the Event contain, too.")
    ok: bool = Field(description="Whether the number was written. False in the mode Advisory, and if the write failed.")


class Condition(Model):
    """A standard Kubernetes condition."""

    type: str = Field(description=f"{', '.join(list(CONDITION_TYPES)[:-1])} or {list(CONDITION_TYPES)[-1]}.")
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    observed_generation: Int64 | None = Field(None, description="Generation of the spec that the condition refers to.")
    last_transition_time: datetime = Field(description="When the status of the condition last changed.")
    reason: str = Field(description="Why the condition has this status, as a CamelCase word for programs.")
    message: str = Field(description="Why the condition has this status, for people, with advice.")


class Status(Model):
    """Observed state of the pipeline."""

    observed_generation: Int64 | None = Field(None, description="Generation of the spec that the status refers to.")
    url: str | None = Field(None, description="URL of the bridge.")
    models: tuple[ModelStatus, ...] | None = Field(
        None,
        description="Pull progress of each language model.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    models_summary: str | None = Field(
        None,
        description="Ready and total language models, and the progress of the pull in progress, such as 0/2 llama3 43% "
        "16MB/s 3m30s.",
    )
    models_bytes: Int64 | None = Field(
        None,
        description="Bytes of the models on the volume, the fullest one if each pod has its own. Layers that models "
        "share count for each, but a derived model has the weights of its base.",
    )
    models_free_bytes: Int64 | None = Field(
        None,
        description="Bytes that the capacity of this volume leaves beside the models, whatever else is on it: of the "
        "PVC that the operator created, or of an ephemeral cache. Unset for others.",
    )
    unused_models: tuple[UnusedModel, ...] | None = Field(
        None,
        description="Models on the volume that no pipeline wants. They stay, or with ollama.cache.unusedModels: "
        "Remove are deleted 24 h after since.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    whisper: WhisperStatus | None = Field(None, description="Replicas of Whisper, and its weights.")
    ollama: OllamaStatus | None = Field(None, description="Replicas of Ollama.")
    bridge: BridgeStatus | None = Field(None, description="Replicas of the bridge.")
    bottleneck: Literal["whisper", "ollama"] | None = Field(
        None, description="Component that limits the pipeline: its load needs more than its ready replicas."
    )
    scaling_history: tuple[ScalingChange, ...] | None = Field(
        None,
        description="The last 20 changes of the replicas of Whisper and Ollama, the oldest first.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    conditions: tuple[Condition, ...] | None = Field(
        None,
        description="Standard Kubernetes conditions.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
