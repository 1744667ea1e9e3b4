"""The custom resource SpeechPipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from pydantic import Field

from speechoperator.api.base import Model
from speechoperator.api.components import Bridge, Ollama, Whisper
from speechoperator.api.network import NetworkPolicy
from speechoperator.api.overrides import ExtraMetadata
from speechoperator.api.rules import Rule
from speechoperator.api.scaling import PipelineScaling
from speechoperator.api.values import Duration, Flag, ObjectName, PipelineName

GROUP = "speechpipeline.dev"
VERSION = "v1alpha1"
API_VERSION: Final = "speechpipeline.dev/v1alpha1"
KIND: Final = "SpeechPipeline"
PLURAL = "speechpipelines"


class Metadata(Model):
    """The metadata that the operator uses; other members are ignored."""

    name: PipelineName
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    creation_timestamp: str = ""


class Verification(Model):
    """Canary requests: a spoken sentence through all components."""

    enabled: Flag = Field(
        default=True,
        description="Send a spoken sentence through all components before a pipeline with new pods or models becomes "
        "Ready, which waits for 2 minutes at most, and then at the interval if the model stays loaded anyway. Not "
        "possible with bridge.apiKeys, and not done with external services.",
    )
    interval: Duration = Field(
        "10m",
        description="Time between two canary requests. Pods that were verified are called again only if the keepAlive "
        "of the first model is -1 or longer than this, since each canary would load it again; not with minReplicas 0, "
        "since that would keep the pipeline from scaling to zero. What failed is tried again after 1 minute, then 2, "
        "4, up to this.",
    )


def _starting_gpus(component: str) -> str:
    """CEL: the GPUs of a component with its minimum of replicas, but at least one."""
    one = f"self.{component}"
    managed = f"has({one}.url) || !has({one}.gpu)"
    minimum = f"(has({one}.scaling) && {one}.scaling.minReplicas > 1 ? {one}.scaling.minReplicas : 1)"
    return f"({managed} ? 0 : {one}.gpu.count * {minimum})"


_BUDGET = Rule(
    f"""!has(self.scaling) || !has(self.scaling.gpuBudget)
        || {_starting_gpus("whisper")} + {_starting_gpus("ollama")} <= self.scaling.gpuBudget""",
    lambda spec: (
        spec.scaling.gpu_budget is None
        or sum(one.gpus * max(one.scaling.min_replicas, 1) for one in (spec.whisper, spec.ollama) if one.managed)
        <= spec.scaling.gpu_budget
    ),
    "scaling.gpuBudget must be enough for minReplicas of Whisper and Ollama, and for one replica of each",
)


class Spec(Model):
    """Desired state of the pipeline."""

    rules = (_BUDGET,)

    class_: ObjectName | None = Field(
        None,
        alias="class",
        description="Class of the operator that manages the pipeline, where several are installed: the value of its "
        "setting OPERATOR_CLASS. If unset, the operator without a class.",
    )
    suspend: Flag = Field(
        default=False,
        description="Scale all components to zero. PVCs and the models on them are kept, and afterwards "
        "Whisper and Ollama get as many replicas as before.",
    )
    upgrade_policy: Literal["Automatic", "Manual"] = Field(
        "Automatic",
        description="What happens when a new release of the operator changes the pods. Automatic: they are replaced, a "
        "limited number of pipelines at a time. Manual: they are kept, and the condition UpdateAvailable reports it, "
        "until this is set to Automatic. A change of the spec is always made at once; one that changes the pods of a "
        "component, with the update of that component.",
    )
    whisper: Whisper = Field(
        Whisper(), description="Whisper, which transcribes speech to text.", json_schema_extra={"default": {}}
    )
    ollama: Ollama = Field(description="Ollama, which serves the language models.")
    bridge: Bridge = Field(
        Bridge(), description="The bridge, the HTTP service that clients call.", json_schema_extra={"default": {}}
    )
    scaling: PipelineScaling = Field(
        PipelineScaling(),
        description="How the replicas of Whisper and Ollama are decided. If unset, by their load without a GPU budget.",
    )
    network_policy: NetworkPolicy = Field(
        NetworkPolicy(),
        description="Which pods may connect to those of the pipeline. If unset, all clients to the bridge, and only "
        "the bridge and the operator to Whisper and Ollama.",
    )
    verification: Verification = Field(
        Verification(),
        description="Canary requests. If unset, one before a pipeline with new pods or models becomes Ready, and every "
        "10 minutes if the model stays loaded anyway.",
    )
    inherited_metadata: ExtraMetadata = Field(
        ExtraMetadata(),
        description="Labels and annotations of all objects of the pipeline and of their pods; a change restarts the "
        "pods. If unset, none are added.",
    )

    @property
    def to_zero(self) -> bool:
        """Whether Whisper or Ollama may be scaled to zero."""
        return any(one.managed and one.scaling.min_replicas == 0 for one in (self.whisper, self.ollama))


class SpeechPipeline(Model):
    """A speech service: Whisper, language models served by Ollama, and the HTTP bridge in front of them."""

    api_version: Literal["speechpipeline.dev/v1alpha1"] = API_VERSION
    kind: Literal["SpeechPipeline"] = KIND
    metadata: Metadata
    spec: Spec
    status: Mapping[str, Any] = {}

    @classmethod
    def parse(cls, raw: Mapping[str, Any], *, unknown: Literal["ignore", "forbid"] = "ignore") -> Self:
        """Return the pipeline that an API object describes.

        Args:
            raw: The object as JSON.
            unknown: Whether unknown fields are errors. The API server prunes or rejects them; an object written for a
                newer CRD must not stop an older operator.

        Raises:
            pydantic.ValidationError: the object violates the CRD; see `format_validation_error`.
        """
        known = {field.alias or name for name, field in Metadata.model_fields.items()}
        metadata = raw.get("metadata")
        if isinstance(metadata, Mapping):
            metadata = {key: value for key, value in metadata.items() if key in known}
        return cls.model_validate({**raw, "metadata": metadata}, extra=unknown)

    @property
    def name(self) -> str:
        """The name of the object."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """The namespace of the object."""
        return self.metadata.namespace


def class_of(raw: Mapping[str, Any]) -> str:
    """Return the class of a pipeline as the API server sent it, valid or not; empty if it has none."""
    spec = raw.get("spec")
    return str((spec.get("class") if isinstance(spec, dict) else None) or "")
