"""The custom resource `SpeechPipeline` as frozen pydantic models: the one source of its definition in the cluster.

Every value has its default here, so that what was left out need not be asked for: `spec.whisper.cache` is always a
cache. `Model.has` tells whether the user gave a field.
"""

from speechoperator.api.base import Model, format_validation_error
from speechoperator.api.components import Bridge, LanguageModel, Ollama, Whisper
from speechoperator.api.exposure import ApiKeys, Gateway, Ingress, ParentRef
from speechoperator.api.pipeline import API_VERSION, GROUP, KIND, PLURAL, VERSION, Metadata, Spec, SpeechPipeline
from speechoperator.api.pod_template import EnvVar, Part, PullSecret, Resources, Toleration
from speechoperator.api.scaling import BridgeScaling, OllamaScaling, Scaling, WhisperScaling
from speechoperator.api.serving import Gpu, ServingPart
from speechoperator.api.storage import Cache, OllamaCache

__all__ = [
    "API_VERSION",
    "GROUP",
    "KIND",
    "PLURAL",
    "VERSION",
    "ApiKeys",
    "Bridge",
    "BridgeScaling",
    "Cache",
    "EnvVar",
    "Gateway",
    "Gpu",
    "Ingress",
    "LanguageModel",
    "Metadata",
    "Model",
    "Ollama",
    "OllamaCache",
    "OllamaScaling",
    "ParentRef",
    "Part",
    "PullSecret",
    "Resources",
    "Scaling",
    "ServingPart",
    "Spec",
    "SpeechPipeline",
    "Toleration",
    "Whisper",
    "WhisperScaling",
    "format_validation_error",
]
