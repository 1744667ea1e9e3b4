"""The custom resource `SpeechPipeline` as frozen pydantic models: the one source of its definition in the cluster.

Every value has its default here, so that what was left out need not be asked for: `spec.whisper.cache` is always a
cache. `Model.has` tells whether the user gave a field.
"""

from .base import Model, explain
from .exposure import ApiKeys, Gateway, Ingress, ParentRef
from .parts import Bridge, LanguageModel, Ollama, Whisper
from .pipeline import API_VERSION, GROUP, KIND, PLURAL, VERSION, Metadata, Spec, SpeechPipeline
from .pods import EnvVar, Part, PullSecret, Resources, Toleration
from .scaling import BridgeScaling, OllamaScaling, Scaling, WhisperScaling
from .serving import Gpu, ServingPart
from .storage import Cache, OllamaCache

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
    "explain",
]
