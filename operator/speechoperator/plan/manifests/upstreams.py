"""What the bridge needs to reach external services: API keys from Secrets, certificate authorities from ConfigMaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from speechoperator.api import ServingSpec, SpeechPipeline

_FILE = "ca.crt"


@dataclass(frozen=True, slots=True)
class _Names:
    """The bridge's settings for one upstream, and the volume with its certificate authorities."""

    api_key: str
    ca_file: str
    volume: str

    @property
    def path(self) -> str:
        return f"/etc/speechpipeline/{self.volume}"


_WHISPER = _Names("WHISPER_API_KEY", "WHISPER_CA_FILE", "whisper-ca")
_OLLAMA = _Names("LLM_API_KEY", "LLM_CA_FILE", "llm-ca")


def api_keys(pipeline: SpeechPipeline) -> Iterator[dict[str, Any]]:
    """Yield the environment variables with API keys; one that the spec of the bridge sets replaces the operator's."""
    given = {variable.name for variable in pipeline.spec.bridge.env}
    for names, spec in _upstreams(pipeline):
        if spec.auth and names.api_key not in given:
            source = {"secretKeyRef": {"name": spec.auth.secret_name, "key": spec.auth.key}}
            yield {"name": names.api_key, "valueFrom": source}


def ca_files(pipeline: SpeechPipeline) -> Mapping[str, str]:
    """Return the settings with the paths of certificate authorities."""
    return {names.ca_file: f"{names.path}/{_FILE}" for names, spec in _upstreams(pipeline) if spec.ca}


def ca_volumes(pipeline: SpeechPipeline) -> tuple[dict[str, Any], ...]:
    """Return the volumes with certificate authorities."""
    return tuple(
        {
            "name": names.volume,
            "configMap": {"name": spec.ca.config_map_name, "items": [{"key": spec.ca.key, "path": _FILE}]},
        }
        for names, spec in _upstreams(pipeline)
        if spec.ca
    )


def ca_mounts(pipeline: SpeechPipeline) -> tuple[dict[str, Any], ...]:
    """Return the mounts of these volumes."""
    return tuple(
        {"name": names.volume, "mountPath": names.path, "readOnly": True}
        for names, spec in _upstreams(pipeline)
        if spec.ca
    )


def _upstreams(pipeline: SpeechPipeline) -> tuple[tuple[_Names, ServingSpec], ...]:
    return (_WHISPER, pipeline.spec.whisper), (_OLLAMA, pipeline.spec.ollama)
