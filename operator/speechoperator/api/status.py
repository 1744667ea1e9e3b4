"""What the operator reports in a SpeechPipeline's status: the schema only; the plan writes it as JSON.

The API server drops what is not described here, and the operator would then write it again and again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StrictInt

from speechoperator.api.base import Model

Int64 = Annotated[StrictInt, Field(json_schema_extra={"format": "int64"})]
Int32 = Annotated[StrictInt, Field(json_schema_extra={"format": "int32"})]


class ModelStatus(Model):
    """How far a language model has come."""

    name: str = Field(description="Name of the model, as in spec.ollama.models.")
    stage: Literal["Pending", "Pulling", "Ready", "Failed"] = Field(
        description="Pending: not asked for yet. Pulling: on its way. Ready: in every replica. Failed: see message."
    )
    completed_bytes: Int64 | None = Field(None, description="Bytes that are there.")
    total_bytes: Int64 | None = Field(None, description="Bytes in all, as far as Ollama has told.")
    eta_seconds: Int64 | None = Field(None, description="Seconds until it is there, estimated.")
    replicas_ready: Int32 | None = Field(None, description="Replicas of Ollama that have it.")
    message: str | None = Field(None, description="What is wrong, or what it waits for.")


class PartStatus(Model):
    """The replicas of a part."""

    desired: Int32 | None = Field(None, description="Replicas that there should be.")
    replicas: Int32 | None = Field(None, description="Replicas that there are.")
    ready: Int32 | None = Field(None, description="Replicas that are ready.")
    summary: str | None = Field(
        None, description="Ready and desired replicas as `kubectl get` shows them, such as 1/2."
    )
    reason: str | None = Field(None, description="Why there should be so many.")


class BridgeStatus(PartStatus):
    """The replicas of the bridge."""

    selector: str | None = Field(None, description="Label selector of the bridge's pods, for the scale subresource.")


class Condition(Model):
    """An aspect of the pipeline's state."""

    type: str = Field(
        description="Accepted, Ready, WhisperAvailable, OllamaAvailable, BridgeAvailable, ModelsReady, Exposed or "
        "Progressing."
    )
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it is so.")
    observed_generation: Int64 | None = Field(None, description="Generation of the spec that this is about.")
    last_transition_time: datetime = Field(description="When status changed last.")
    reason: str = Field(description="Why, as one word for programs.")
    message: str = Field(description="Why, for people, with what to do.")


class Status(Model):
    """What the operator saw and did."""

    observed_generation: Int64 | None = Field(None, description="Generation of the spec that this status is about.")
    url: str | None = Field(None, description="Address under which the bridge is reached.")
    models: tuple[ModelStatus, ...] | None = Field(
        None,
        description="How far each language model has come.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    models_summary: str | None = Field(None, description="Ready models and all models, such as 1/2.")
    whisper: PartStatus | None = Field(None, description="Whisper's replicas.")
    ollama: PartStatus | None = Field(None, description="Ollama's replicas.")
    bridge: BridgeStatus | None = Field(None, description="The bridge's replicas.")
    conditions: tuple[Condition, ...] | None = Field(
        None,
        description="The aspects of the pipeline's state.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
