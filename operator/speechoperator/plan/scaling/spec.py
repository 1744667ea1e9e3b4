"""What a user wants of the scaler, and its conversion from a SpeechPipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from speechoperator.api import durations
from speechoperator.plan.scaling.behavior import DEFAULT_BEHAVIOR, Behavior

if TYPE_CHECKING:
    from speechoperator.api import ServingSpec, Spec
    from speechoperator.plan.scaling.schedule import Schedule

Mode: TypeAlias = Literal["Auto", "Advisory", "Off"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Replicas that a component may have.

    Attributes:
        minimum: At least so many; 0 allows scaling to zero.
        maximum: At most so many.
        gpus: GPUs of each replica.
    """

    minimum: int = 1
    maximum: int = 1
    gpus: int = 0


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
    """

    mode: Mode = "Auto"
    whisper: WhisperScaling | None = None
    ollama: OllamaScaling | None = None
    gpu_budget: int | None = None
    schedules: tuple[Schedule, ...] = ()


def from_pipeline(spec: Spec) -> ScalingSpec:
    """Return what the spec of a SpeechPipeline says about scaling; what it cannot say yet has its default."""
    whisper, ollama = spec.whisper, spec.ollama
    target = durations.seconds(whisper.scaling.target_backlog) if whisper.scaling.has("target_backlog") else None
    return ScalingSpec(
        whisper=None if whisper.url else WhisperScaling(_bounds(whisper), target),
        ollama=None if ollama.url else OllamaScaling(_bounds(ollama), ollama.target_in_flight),
    )


def _bounds(component: ServingSpec) -> Bounds:
    gpus = component.gpu.count if component.gpu else 0
    return Bounds(component.scaling.min_replicas, component.scaling.maximum, gpus)
