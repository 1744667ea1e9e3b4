"""The specs of the three components: Whisper, Ollama and the bridge."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictInt

from speechoperator.api import durations
from speechoperator.api.exposure import ApiKeys, BridgeService, Gateway, Ingress
from speechoperator.api.language_models import LanguageModel
from speechoperator.api.pod_template import ComponentSpec
from speechoperator.api.rules import MapList, Rule
from speechoperator.api.scaling import BridgeScaling, OllamaScaling, WhisperScaling
from speechoperator.api.serving import PVC_RULES, ServingSpec
from speechoperator.api.storage import OllamaCache, WhisperCache
from speechoperator.api.values import Count, Duration, KeepAlive, Positive, WhisperModel

_MODEL_LIST = MapList(
    (
        Rule("size(self) > 0", lambda models: len(models) > 0, "list at least one model; the first is the default"),
        Rule(
            "!self.exists(tagged, self.exists(other, tagged.name == other.name + ':latest'))",
            lambda models: {model.name for model in models}.isdisjoint(f"{model.name}:latest" for model in models),
            "a name without a tag means the tag latest: list the model only once",
        ),
    )
)


_PROTOCOL_RULES = (
    Rule(
        "has(self.url) || self.protocol == 'ollama'",
        lambda ollama: ollama.url is not None or ollama.protocol == "ollama",
        "the operator runs Ollama only: set url to the service that speaks protocol openai",
    ),
    Rule(
        "self.protocol == 'ollama' || !(has(self.contextLength) || has(self.keepAlive))",
        lambda ollama: ollama.protocol == "ollama" or not ollama.has("context_length", "keep_alive"),
        "contextLength and keepAlive are options of Ollama's API: remove them with protocol openai",
    ),
    Rule(
        "self.protocol == 'ollama' || !self.models.exists(model, has(model.keepAlive) || has(model.options))",
        lambda ollama: (
            ollama.protocol == "ollama" or not any(model.has("keep_alive", "options") for model in ollama.models)
        ),
        "keepAlive and options of a model are options of Ollama's API: remove them with protocol openai",
    ),
    Rule(
        "!has(self.url) || !self.models.exists(model, has(model.from) || model.pullPolicy == 'Always')",
        lambda ollama: (
            ollama.url is None or not any(model.has("base") or model.refresh_s is not None for model in ollama.models)
        ),
        "the operator neither pulls into nor creates models in an external service: remove from and pullPolicy Always",
    ),
)


_REMOVES_WEIGHTS = Rule(
    "!has(self.cache) || !has(self.cache.unusedModels) || self.cache.unusedModels == 'Keep'"
    " || !(has(self.image) || self.engine != 'faster-whisper')",
    lambda whisper: (
        whisper.cache.unused_models == "Keep" or (whisper.image is None and whisper.engine == "faster-whisper")
    ),
    "only the default image of faster-whisper removes weights: set cache.unusedModels to Keep",
)


class Whisper(ServingSpec):
    """Speech recognition."""

    rules: ClassVar[tuple[Rule, ...]] = (*ServingSpec.rules, *PVC_RULES, _REMOVES_WEIGHTS)

    engine: Literal["faster-whisper", "asr-webservice"] = Field(
        "faster-whisper",
        description="Speech recognition server: faster-whisper is this project's own server, which streams; "
        "asr-webservice is onerahmet/openai-whisper-asr-webservice. With url, the API of the external service.",
    )
    model: WhisperModel = Field(
        "small",
        description="Whisper model: a size such as medium or large-v3, the name of a Hugging Face model, or a "
        "directory in the image such as /models/tiny.en.",
    )
    cache: WhisperCache = Field(
        WhisperCache(),
        description="Storage of the model weights. If unset, a PVC of 10Gi with the default StorageClass for one "
        "replica, and an ephemeral cache of this size in each pod for several.",
    )
    scaling: WhisperScaling = Field(
        WhisperScaling(), description="Scaling on the backlog of audio. If unset, one replica."
    )


class Ollama(ServingSpec):
    """Language models."""

    rules: ClassVar[tuple[Rule, ...]] = (*ServingSpec.rules, *_PROTOCOL_RULES, *PVC_RULES)

    protocol: Literal["ollama", "openai"] = Field(
        "ollama",
        description="API of the external service at url: ollama, or openai for vLLM, llama.cpp's server and others "
        "with OpenAI's chat API. url then has no /v1.",
    )
    models: Annotated[tuple[LanguageModel, ...], Field(max_length=32), _MODEL_LIST] = Field(
        description="Language models to serve, 1 to 32; the first is the default. All are pulled before the pipeline "
        "becomes ready.",
    )
    context_length: Annotated[StrictInt, Field(ge=256, le=2**31 - 1, json_schema_extra={"format": "int32"})] | None = (
        Field(
            None,
            description="Context window in tokens, for prompt and answer together. A change restarts the pods. If "
            "unset, Ollama's default.",
        )
    )
    keep_alive: KeepAlive | None = Field(
        None,
        description="How long a model stays loaded after its last request, such as 30m; -1 keeps it loaded "
        "indefinitely. A change restarts the pods. If unset, Ollama's default.",
    )
    parallel: Positive = Field(
        4,
        description="Requests that each pod processes in parallel, each with a context of its own in the memory of the "
        "GPU (OLLAMA_NUM_PARALLEL). A change restarts the pods.",
    )
    cache: OllamaCache = Field(
        OllamaCache(),
        description="Storage of the models. If unset, a PVC of 50Gi with the default StorageClass for one replica, and "
        "an ephemeral cache of this size in each pod for several.",
    )
    scaling: OllamaScaling = Field(
        OllamaScaling(), description="Scaling on the requests in flight. If unset, one replica."
    )

    @property
    def target_in_flight(self) -> int:
        """Requests in flight per replica above which a replica is added."""
        return self.scaling.target_in_flight or self.parallel

    @property
    def model_names(self) -> tuple[str, ...]:
        """The names of the models, the default first."""
        return tuple(model.name for model in self.models)


class Bridge(ComponentSpec):
    """The HTTP service in front of Whisper and Ollama."""

    rules = (
        Rule(
            "!(has(self.ingress) && has(self.gateway))",
            lambda bridge: not bridge.has("ingress") or not bridge.has("gateway"),
            "set either ingress or gateway, not both",
        ),
        Rule(
            """!has(self.scaling) || !has(self.resources)
               || has(self.resources.requests) && 'cpu' in self.resources.requests
               || has(self.resources.limits) && 'cpu' in self.resources.limits""",
            lambda bridge: bridge.scaling is None or bridge.resources is None or bridge.resources.names("cpu"),
            "scaling on CPU utilization needs a CPU request: set resources.requests.cpu",
        ),
    )

    replicas: Count = Field(2, description="Number of replicas; `kubectl scale` sets it. Ignored while scaling is set.")
    scaling: BridgeScaling | None = Field(
        None, description="Scaling on CPU utilization by a HorizontalPodAutoscaler. If unset, replicas applies."
    )
    max_concurrent_requests: Positive = Field(50, description="Requests that one replica works on concurrently.")
    request_timeout: Duration = Field("300s", description="Time a request may take without progress, from 1s to 24h.")
    hold_timeout: Duration | None = Field(
        None,
        description="Time a request may wait while no pod of Whisper or Ollama can be reached, such as until one has "
        "started from zero. If unset, 300s where minReplicas of either is 0, else requestTimeout, but at most 120s.",
    )
    service: BridgeService = Field(BridgeService(), description="The Service of the bridge. If unset, a ClusterIP.")
    ingress: Ingress | None = Field(None, description="Expose the bridge through an Ingress. If unset, no Ingress.")
    gateway: Gateway | None = Field(
        None, description="Expose the bridge through an HTTPRoute of a Gateway. If unset, no HTTPRoute."
    )
    api_keys: ApiKeys | None = Field(
        None, description="API keys that clients must send. If unset, requests need no key."
    )

    @property
    def request_timeout_seconds(self) -> float:
        """Time a request may take without progress, in seconds."""
        return durations.seconds(self.request_timeout)

    @property
    def maximum(self) -> int:
        """The maximum number of replicas."""
        return self.scaling.max_replicas if self.scaling else self.replicas
