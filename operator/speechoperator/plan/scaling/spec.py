"""What a user wants of the scaler, and its conversion from a SpeechPipeline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import time
from typing import TYPE_CHECKING, Literal, TypeAlias

from speechoperator.api import durations
from speechoperator.api.scaling import DAYS
from speechoperator.kube import quantities
from speechoperator.plan.scaling.behavior import DEFAULT_BEHAVIOR, Behavior, Policy, Rules
from speechoperator.plan.scaling.schedule import Schedule, is_time_zone

if TYPE_CHECKING:
    from speechoperator.api import ServingSpec, Spec
    from speechoperator.api import scaling as api

Mode: TypeAlias = Literal["Auto", "Advisory", "Off"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Replicas that a component may have.

    Attributes:
        minimum: At least so many; 0 allows scaling to zero.
        maximum: At most so many.
        gpus: GPUs of each replica.
        why: What the minimum comes from, in words; empty for the spec's `minReplicas`.
        why_no_more: What the maximum comes from, in words; empty for the spec's `maxReplicas`.
    """

    minimum: int = 1
    maximum: int = 1
    gpus: int = 0
    why: str = ""
    why_no_more: str = ""

    @property
    def fixed(self) -> bool:
        """Whether there is no choice."""
        return self.minimum == self.maximum

    @property
    def minimum_reason(self) -> str:
        """Why there are at least so many replicas, in words."""
        return self.why or f"minReplicas is {self.minimum}"

    @property
    def maximum_reason(self) -> str:
        """Why there are at most so many replicas, in words."""
        return self.why_no_more or f"maxReplicas is {self.maximum}"


@dataclass(frozen=True, slots=True)
class WhisperScaling:
    """How Whisper is scaled.

    Attributes:
        bounds: Its replicas.
        target_backlog: Seconds within which the waiting audio is to be decoded; None derives it from the startup time.
        assumed_speed: Seconds of audio per second of a pod, until the pods have measured it; None if unknown.
        behavior: How replicas follow the need.
    """

    bounds: Bounds = Bounds()
    target_backlog: float | None = None
    assumed_speed: float | None = None
    behavior: Behavior = DEFAULT_BEHAVIOR


@dataclass(frozen=True, slots=True)
class OllamaScaling:
    """How Ollama is scaled.

    Attributes:
        bounds: Its replicas.
        target_in_flight: Requests that one replica serves together.
        behavior: How replicas follow the need.
    """

    bounds: Bounds = Bounds()
    target_in_flight: int = 4
    behavior: Behavior = DEFAULT_BEHAVIOR


@dataclass(frozen=True, slots=True)
class ScalingSpec:
    """How a pipeline is scaled.

    Attributes:
        mode: Auto writes replicas; Advisory decides and records only; with Off, another autoscaler owns them.
        whisper: Whisper; None if it is an external service.
        ollama: Ollama; None if it is an external service.
        gpu_budget: GPUs of both components together, terminating pods included; None is unlimited.
        schedules: Times at which more replicas run at least.
        ignored: Names of the schedules that cannot be followed, each with its unknown time zone.
    """

    mode: Mode = "Auto"
    whisper: WhisperScaling | None = None
    ollama: OllamaScaling | None = None
    gpu_budget: int | None = None
    schedules: tuple[Schedule, ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()


def from_pipeline(spec: Spec) -> ScalingSpec:
    """Return what the spec of a SpeechPipeline says about scaling."""
    whisper, ollama = spec.whisper, spec.ollama
    followed = [one for one in spec.scaling.schedules if is_time_zone(one.time_zone)]
    target, speed = whisper.scaling.target_backlog, whisper.scaling.assumed_speed
    return ScalingSpec(
        mode=spec.scaling.mode,
        whisper=WhisperScaling(
            _bounds(whisper), durations.seconds(target) if target else None, speed, _behavior(whisper.scaling)
        )
        if whisper.managed
        else None,
        ollama=OllamaScaling(_bounds(ollama), ollama.target_in_flight, _behavior(ollama.scaling))
        if ollama.managed
        else None,
        gpu_budget=spec.scaling.gpu_budget,
        schedules=tuple(map(_schedule, followed)),
        ignored=tuple((one.name, one.time_zone) for one in spec.scaling.schedules if one not in followed),
    )


def _bounds(component: ServingSpec) -> Bounds:
    return Bounds(component.scaling.min_replicas, component.scaling.maximum, component.gpus)


def _behavior(scaling: api.Scaling) -> Behavior:
    return replace(
        DEFAULT_BEHAVIOR,
        up=_rules(scaling.behavior.scale_up, DEFAULT_BEHAVIOR.up),
        down=_rules(scaling.behavior.scale_down, DEFAULT_BEHAVIOR.down),
        idle_period=durations.seconds(scaling.idle_period),
    )


def _rules(rules: api.ScalingRules, default: Rules) -> Rules:
    window, tolerance = rules.stabilization_window_seconds, rules.tolerance
    return Rules(
        window=default.window if window is None else float(window),
        policies=tuple(Policy(one.type, one.value, float(one.period_seconds)) for one in rules.policies),
        select=rules.select_policy,
        tolerance=default.tolerance if tolerance is None else float(quantities.value(tolerance)),
    )


def _schedule(schedule: api.Schedule) -> Schedule:
    return Schedule(
        name=schedule.name,
        component=schedule.component,
        minimum=schedule.min_replicas,
        start=time.fromisoformat(schedule.start),
        end=time.fromisoformat(schedule.end),
        days=frozenset(DAYS.index(day) for day in schedule.days),
        time_zone=schedule.time_zone,
    )
