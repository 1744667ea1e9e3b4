"""How many replicas a part may have."""

from __future__ import annotations

from pydantic import Field

from speechoperator.api.base import Model
from speechoperator.api.rules import Rule
from speechoperator.api.values import Count, Positive, Wait

_MIN_MAX = Rule(
    "!has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
    lambda scaling: not scaling.has("max_replicas") or scaling.min_replicas <= scaling.max_replicas,
    "minReplicas must not be more than maxReplicas",
)


class Scaling(Model):
    """Replicas of a part whose pods hold a model."""

    rules = (_MIN_MAX,)

    min_replicas: Count = Field(1, description="Replicas at least; 0 lets the part be stopped while nobody uses it.")
    max_replicas: Positive | None = Field(
        None, description="Replicas at most. Absent: minReplicas, and not less than 1."
    )

    @property
    def maximum(self) -> int:
        """Replicas at most."""
        return self.max_replicas if self.max_replicas is not None else max(self.min_replicas, 1)


class WhisperScaling(Scaling):
    """Replicas of Whisper, by the audio that waits."""

    target_backlog: Wait = Field(
        "60s", description="Audio that may wait per replica before another one starts, as its length."
    )


class OllamaScaling(Scaling):
    """Replicas of Ollama, by the requests in flight."""

    target_in_flight: Positive = Field(
        4, description="Requests in flight per replica beyond which another replica starts."
    )


class BridgeScaling(Model):
    """Replicas of the bridge, by CPU: a HorizontalPodAutoscaler of Kubernetes."""

    rules = (_MIN_MAX,)

    min_replicas: Positive = Field(2, description="Replicas at least.")
    max_replicas: Positive = Field(description="Replicas at most.")
    target_cpu_utilization: Positive = Field(
        70,
        alias="targetCPUUtilization",
        description="CPU in use beyond which another replica starts, in percent of what the pods request.",
    )
