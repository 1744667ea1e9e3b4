"""How many replicas a component may have, and how they follow its load."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from speechoperator.api.base import Model
from speechoperator.api.rules import MapList, Rule
from speechoperator.api.values import Clock, Count, Duration, Positive, Quantity, ScheduleName, TimeZone

_MIN_MAX = Rule(
    "!has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
    lambda scaling: not scaling.has("max_replicas") or scaling.min_replicas <= scaling.max_replicas,
    "minReplicas must not exceed maxReplicas",
)
_MAX_WINDOW_S = 3600
_MAX_PERIOD_S = 1800
_MAX_POLICIES = 8
_MAX_SCHEDULES = 16

Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
DAYS: tuple[Day, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class ScalingPolicy(Model):
    """How far replicas may change within a period."""

    type: Literal["Pods", "Percent"] = Field(
        description="Whether value is a number of pods or a percentage of the replicas at the start of the period."
    )
    value: Positive = Field(description="Number or percentage by which replicas may change within the period.")
    period_seconds: Annotated[StrictInt, Field(ge=1, le=_MAX_PERIOD_S, json_schema_extra={"format": "int32"})] = Field(
        description="Length of the period in seconds, 1 to 1800."
    )


class ScalingRules(Model):
    """How replicas change in one direction, as in autoscaling/v2."""

    stabilization_window_seconds: (
        Annotated[StrictInt, Field(ge=0, le=_MAX_WINDOW_S, json_schema_extra={"format": "int32"})] | None
    ) = Field(
        None,
        description="Seconds, 0 to 3600, whose recommendations count: the highest when scaling down, the lowest when "
        "scaling up. If unset, 300 for scaling down and 0 for scaling up.",
    )
    select_policy: Literal["Max", "Min", "Disabled"] = Field(
        "Max",
        description="Which policy applies: the one that allows the largest change, the smallest, or no change at all.",
    )
    policies: Annotated[tuple[ScalingPolicy, ...], Field(max_length=_MAX_POLICIES)] = Field(
        (),
        description="Limits on changes, at most 8. If unset, changes are not limited.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    tolerance: Quantity | None = Field(
        None,
        description="Deviation of the needed replicas from the current ones up to which nothing changes, as a share "
        "such as 0.1. If unset, 0.1.",
    )


class ScalingBehavior(Model):
    """How replicas follow the load, with the fields of autoscaling/v2."""

    scale_up: ScalingRules = Field(ScalingRules(), description="Rules for more replicas. If unset, the defaults.")
    scale_down: ScalingRules = Field(ScalingRules(), description="Rules for fewer replicas. If unset, the defaults.")


class Scaling(Model):
    """Replicas of a component whose pods serve a model."""

    rules = (_MIN_MAX,)

    min_replicas: Count = Field(
        1,
        description="Minimum number of replicas. With 0, the component is scaled to zero after idlePeriod without a "
        "request, and started by the next request. A new pipeline starts with one replica even then, to download the "
        "models.",
    )
    max_replicas: Positive | None = Field(
        None,
        description="Maximum number of replicas. If unset, minReplicas, but at least 1: the number does not follow the "
        "load.",
    )
    idle_period: Duration = Field(
        "5m",
        description="Time without a request after which the component is scaled to zero, if minReplicas is 0.",
    )
    behavior: ScalingBehavior = Field(
        ScalingBehavior(),
        description="Tolerance, stabilization windows and policies. If unset, replicas are added at once and removed "
        "after 5 minutes.",
    )

    @property
    def maximum(self) -> int:
        """The maximum number of replicas."""
        return self.max_replicas if self.max_replicas is not None else max(self.min_replicas, 1)


class WhisperScaling(Scaling):
    """Replicas of Whisper, scaled on the backlog of audio."""

    target_backlog: Duration | None = Field(
        None,
        description="Time within which the audio that waits is to be transcribed. If unset, the measured startup time "
        "of a pod, 10s to 5m: what is done sooner needs no further pod.",
    )
    assumed_speed: Annotated[float, Field(strict=True, ge=0.01, le=10000)] | None = Field(
        None,
        description="Seconds of audio that a pod transcribes per second, 0.01 to 10000, until the pods have measured "
        "it. If unset, replicas do not follow the load before that.",
    )


class OllamaScaling(Scaling):
    """Replicas of Ollama, scaled on the requests in flight."""

    target_in_flight: Positive | None = Field(
        None,
        description="Requests in flight per replica above which a replica is added. A change restarts no pods. "
        "If unset, ollama.parallel.",
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


class Schedule(Model):
    """More replicas at certain times of the week."""

    name: ScheduleName = Field(description="Name of the schedule, such as office-hours.")
    component: Literal["whisper", "ollama"] = Field(description="Component whose minimum it raises.")
    min_replicas: Positive = Field(
        description="Minimum number of replicas while the schedule applies, limited by the component's maxReplicas."
    )
    days: Annotated[tuple[Day, ...], Field(min_length=1, max_length=len(DAYS))] = Field(
        DAYS,
        description="Days on which it starts: Mon, Tue, Wed, Thu, Fri, Sat, Sun. If unset, every day.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    start: Clock = Field(
        description="Local time at which the replicas are ready, such as 08:00. They are started one startup time of a "
        "pod earlier."
    )
    end: Clock = Field(description="Local time until which it applies; on the next day, if it is not after start.")
    time_zone: TimeZone = Field("UTC", description="Time zone of start and end, such as Europe/Berlin.")


class PipelineScaling(Model):
    """How the replicas of Whisper and Ollama are decided."""

    mode: Literal["Auto", "Advisory", "Off"] = Field(
        "Auto",
        description="Auto: the operator decides the replicas of Whisper and Ollama and writes them. Advisory: it only "
        "records its decisions in status.scalingHistory. Off: another autoscaler owns the replicas.",
    )
    gpu_budget: Positive | None = Field(
        None,
        description="GPUs that Whisper and Ollama may use together, including those of terminating pods. "
        "If unset, unlimited.",
    )
    schedules: Annotated[tuple[Schedule, ...], Field(max_length=_MAX_SCHEDULES), MapList()] = Field(
        (), description="Times at which components have a higher minimum, at most 16. If unset, none."
    )
