"""The three parts of a pipeline: Whisper, Ollama and the bridge."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictInt

from speechoperator.api import durations
from speechoperator.api.base import Model
from speechoperator.api.exposure import ApiKeys, Gateway, Ingress
from speechoperator.api.pod_template import Part
from speechoperator.api.rules import Keyed, Rule
from speechoperator.api.scaling import BridgeScaling, OllamaScaling, WhisperScaling
from speechoperator.api.serving import ServingPart, claim_rules
from speechoperator.api.storage import Cache, OllamaCache
from speechoperator.api.values import Count, Flag, KeepAlive, OllamaModel, Positive, Wait, WhisperModel

_NAMED = Keyed(
    (
        Rule("size(self) > 0", lambda models: len(models) > 0, "name at least one model; the first is the default"),
        Rule(
            "!self.exists(tagged, self.exists(other, tagged.name == other.name + ':latest'))",
            lambda models: {model.name for model in models}.isdisjoint(f"{model.name}:latest" for model in models),
            "a name without a tag means its tag latest: name the model once",
        ),
    )
)


class Whisper(ServingPart):
    """Speech recognition."""

    rules: ClassVar[tuple[Rule, ...]] = (*ServingPart.rules, *claim_rules("10Gi"))

    engine: Literal["faster-whisper", "asr-webservice"] = Field(
        "faster-whisper",
        description="The server: faster-whisper is this project's own, which streams; asr-webservice is "
        "onerahmet/openai-whisper-asr-webservice. With url: what the service there speaks.",
    )
    model: WhisperModel = Field(
        "small",
        description="The model: a size such as medium or large-v3, the name of a model on a hub, or a folder of the "
        "image such as /models/tiny.en.",
    )
    cache: Cache = Field(
        Cache(),
        description="Where the model's weights are kept. Absent: a claim of 10Gi of the cluster's default class.",
    )
    scaling: WhisperScaling = Field(
        WhisperScaling(), description="Replicas, by the audio that waits. Absent: one replica."
    )


class LanguageModel(Model):
    """A language model that Ollama serves."""

    name: OllamaModel = Field(description="Name by which callers ask for it, as Ollama writes it, such as qwen3:4b.")
    source: OllamaModel | None = Field(
        None,
        description="Where to pull it from, such as registry.example.com:5000/library/qwen3:4b; callers still say "
        "name. Absent: from where name says.",
    )
    insecure: Flag = Field(
        default=False, description="Whether to pull it from a registry without TLS, over plain HTTP."
    )


class Ollama(ServingPart):
    """Language models."""

    rules: ClassVar[tuple[Rule, ...]] = (*ServingPart.rules, *claim_rules("50Gi"))

    models: Annotated[tuple[LanguageModel, ...], Field(max_length=32), _NAMED] = Field(
        description="The models that callers may name, 1 to 32; the first is the default. All are pulled before the "
        "pipeline is ready.",
    )
    context_length: Annotated[StrictInt, Field(ge=256, le=2**31 - 1, json_schema_extra={"format": "int32"})] | None = (
        Field(None, description="Tokens of prompt and answer that fit at once. Absent: Ollama's default.")
    )
    keep_alive: KeepAlive | None = Field(
        None,
        description="How long a model stays loaded after its last use, such as 30m; -1 for ever. Absent: Ollama's own "
        "default.",
    )
    cache: OllamaCache = Field(
        OllamaCache(), description="Where the models are kept. Absent: a claim of 50Gi of the cluster's default class."
    )
    scaling: OllamaScaling = Field(
        OllamaScaling(), description="Replicas, by the requests in flight. Absent: one replica."
    )

    @property
    def model_names(self) -> tuple[str, ...]:
        """The models' names, the default first."""
        return tuple(model.name for model in self.models)


class Bridge(Part):
    """The HTTP service in front of the other two."""

    rules = (
        Rule(
            "!(has(self.ingress) && has(self.gateway))",
            lambda bridge: not bridge.has("ingress") or not bridge.has("gateway"),
            "give either ingress or gateway, not both",
        ),
        Rule(
            """!has(self.scaling) || !has(self.resources)
               || has(self.resources.requests) && 'cpu' in self.resources.requests
               || has(self.resources.limits) && 'cpu' in self.resources.limits""",
            lambda bridge: bridge.scaling is None or bridge.resources is None or bridge.resources.names("cpu"),
            "scaling goes by the CPU that is in use of what is asked for: give resources.requests.cpu",
        ),
    )

    replicas: Count = Field(
        2, description="Replicas; `kubectl scale` sets it. With scaling it is left to the HorizontalPodAutoscaler."
    )
    scaling: BridgeScaling | None = Field(None, description="Replicas by CPU. Absent: as many as replicas says.")
    max_concurrent_requests: Positive = Field(50, description="Requests that one replica works on at once.")
    request_timeout: Wait = Field("300s", description="Time for a whole request, from 1s to 24h.")
    ingress: Ingress | None = Field(
        None, description="Reach the bridge from outside through an Ingress. Absent: no Ingress."
    )
    gateway: Gateway | None = Field(
        None, description="Reach the bridge from outside through a Gateway: an HTTPRoute. Absent: none."
    )
    api_keys: ApiKeys | None = Field(None, description="Keys that callers must send. Absent: everybody may call.")

    @property
    def request_timeout_seconds(self) -> float:
        """Seconds for a whole request."""
        return durations.seconds(self.request_timeout)

    @property
    def maximum(self) -> int:
        """Replicas at most."""
        return self.scaling.max_replicas if self.scaling else self.replicas
