"""How many replicas each component starts with, by its spec alone; later the scaler decides for Whisper and Ollama."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.api import Bridge, ServingSpec, Spec
    from speechoperator.api.names import Component


@dataclass(frozen=True, slots=True)
class Replicas:
    """The replicas of one component.

    Attributes:
        target: Replicas to run; None leaves the number to another autoscaler.
        required: Replicas that must be ready for the component to be available.
        reason: Why this number was chosen.
    """

    target: int | None
    required: int
    reason: str


def replicas(spec: Spec) -> Mapping[Component, Replicas]:
    """Return the replicas with which a new pipeline starts."""
    if spec.suspend:
        stopped = Replicas(0, 0, "spec.suspend is true")
        return {"whisper": stopped, "ollama": stopped, "bridge": stopped}
    return {"whisper": _serving(spec.whisper), "ollama": _serving(spec.ollama), "bridge": _bridge(spec.bridge)}


def _serving(spec: ServingSpec) -> Replicas:
    minimum = max(spec.scaling.min_replicas, 1)
    return Replicas(minimum, minimum, f"minReplicas is {spec.scaling.min_replicas}")


def _bridge(spec: Bridge) -> Replicas:
    if spec.scaling:
        return Replicas(None, spec.scaling.min_replicas, "set by the HorizontalPodAutoscaler")
    return Replicas(spec.replicas, spec.replicas, f"bridge.replicas is {spec.replicas}")
