"""How many replicas a component may have."""

from __future__ import annotations

from pydantic import Field

from speechoperator.api.base import Model
from speechoperator.api.rules import Rule
from speechoperator.api.values import Count, Duration, Positive

_MIN_MAX = Rule(
    "!has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
    lambda scaling: not scaling.has("max_replicas") or scaling.min_replicas <= scaling.max_replicas,
    "minReplicas must not exceed maxReplicas",
)


class Scaling(Model):
    """Replicas of a component whose pods serve a model."""

    rules = (_MIN_MAX,)

    min_replicas: Count = Field(
        1, description="Number of replicas. 0 runs one: the operator does not scale to zero yet."
    )
    max_replicas: Positive | None = Field(
        None,
        description="Maximum number of replicas. If unset, minReplicas, but at least 1. The operator does not scale "
        "this component yet: it runs minReplicas.",
    )

    @property
    def maximum(self) -> int:
        """The maximum number of replicas."""
        return self.max_replicas if self.max_replicas is not None else max(self.min_replicas, 1)


class WhisperScaling(Scaling):
    """Replicas of Whisper, scaled on the backlog of audio."""

    target_backlog: Duration = Field(
        "60s",
        description="Length of the audio waiting per replica above which a replica is added. Without effect yet.",
    )


class OllamaScaling(Scaling):
    """Replicas of Ollama, scaled on the requests in flight."""

    target_in_flight: Positive | None = Field(
        None,
        description="Requests in flight per replica above which a replica is added. A change restarts no pods. "
        "If unset, ollama.parallel. Without effect yet.",
    )


class BridgeScaling(Model):
    """Replicas of the bridge, scaled on CPU by a HorizontalPodAutoscaler."""

    rules = (_MIN_MAX,)

    min_replicas: Positive = Field(2, description="Minimum number of replicas.")
    max_replicas: Positive = Field(description="Maximum number of replicas.")
    target_cpu_utilization: Positive = Field(
        70,
        alias="targetCPUUtilization",
        description="Average CPU utilization above which a replica is added, in percent of the CPU request.",
    )
