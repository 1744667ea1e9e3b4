"""The custom resource: what a SpeechPipeline's object says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from pydantic import Field

from speechoperator.api.base import Model
from speechoperator.api.components import Bridge, Ollama, Whisper
from speechoperator.api.values import Flag, PipelineName

GROUP = "speechpipeline.dev"
VERSION = "v1alpha1"
API_VERSION: Final = "speechpipeline.dev/v1alpha1"
KIND: Final = "SpeechPipeline"
PLURAL = "speechpipelines"


class Metadata(Model):
    """What the API server knows of the object; the rest of its metadata is left out."""

    name: PipelineName
    namespace: str = "default"
    uid: str = ""
    generation: int = 0


class Spec(Model):
    """What the user wants."""

    suspend: Flag = Field(
        default=False, description="Whether everything is scaled to nothing; the caches, and the models in them, stay."
    )
    whisper: Whisper = Field(
        Whisper(), description="Whisper, which turns speech into text.", json_schema_extra={"default": {}}
    )
    ollama: Ollama = Field(description="Ollama, whose language model turns the text into an answer.")
    bridge: Bridge = Field(
        Bridge(), description="The HTTP service that callers use.", json_schema_extra={"default": {}}
    )


class SpeechPipeline(Model):
    """A speech service: Whisper, language models, and the HTTP bridge in front of them."""

    api_version: Literal["speechpipeline.dev/v1alpha1"] = API_VERSION
    kind: Literal["SpeechPipeline"] = KIND
    metadata: Metadata
    spec: Spec
    status: Mapping[str, Any] = {}

    @classmethod
    def parse(cls, raw: Mapping[str, Any], *, unknown: Literal["ignore", "forbid"] = "ignore") -> Self:
        """Return what an object of the API says.

        Args:
            raw: The object as JSON.
            unknown: Whether unknown fields are faults. The API server prunes or refuses them; where an object of a
                newer definition meets an older operator they must not stop it.

        Raises:
            pydantic.ValidationError: the object breaks a rule of the CRD; see `format_validation_error`.
        """
        known = set(Metadata.model_fields)
        metadata = raw.get("metadata")
        if isinstance(metadata, Mapping):
            metadata = {key: value for key, value in metadata.items() if key in known}
        return cls.model_validate({**raw, "metadata": metadata}, extra=unknown)

    @property
    def name(self) -> str:
        """The object's name."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """The object's namespace."""
        return self.metadata.namespace
