"""The custom resource `SpeechPipeline` as frozen pydantic models, the single source of the CRD.

Every optional field has its default here, so callers never check for a missing one: `spec.whisper.cache` is always a
`Cache`. `Model.has` returns whether the user set a field.
"""

from __future__ import annotations

from speechoperator.api.base import Model, format_validation_error
from speechoperator.api.components import Bridge, Ollama, Whisper
from speechoperator.api.exposure import ApiKeys, BridgeService, Gateway, Ingress, ParentRef
from speechoperator.api.external import Auth, CertificateAuthorities
from speechoperator.api.language_models import LanguageModel
from speechoperator.api.network import NetworkPolicy, Peer
from speechoperator.api.overrides import ExtraMetadata, PodTemplate
from speechoperator.api.pipeline import API_VERSION, GROUP, KIND, PLURAL, VERSION, Metadata, Spec, SpeechPipeline
from speechoperator.api.pod_template import ComponentSpec, EnvVar, PullSecret, Resources, Toleration
from speechoperator.api.scaling import BridgeScaling, OllamaScaling, PipelineScaling, Scaling, Schedule, WhisperScaling
from speechoperator.api.serving import Gpu, ServingSpec
from speechoperator.api.storage import Cache, OllamaCache, WhisperCache

__all__ = [
    "API_VERSION",
    "GROUP",
    "KIND",
    "PLURAL",
    "VERSION",
    "ApiKeys",
    "Auth",
    "Bridge",
    "BridgeScaling",
    "BridgeService",
    "Cache",
    "CertificateAuthorities",
    "ComponentSpec",
    "EnvVar",
    "ExtraMetadata",
    "Gateway",
    "Gpu",
    "Ingress",
    "LanguageModel",
    "Metadata",
    "Model",
    "NetworkPolicy",
    "Ollama",
    "OllamaCache",
    "OllamaScaling",
    "ParentRef",
    "Peer",
    "PipelineScaling",
    "PodTemplate",
    "PullSecret",
    "Resources",
    "Scaling",
    "Schedule",
    "ServingSpec",
    "Spec",
    "SpeechPipeline",
    "Toleration",
    "Whisper",
    "WhisperCache",
    "WhisperScaling",
    "format_validation_error",
]
