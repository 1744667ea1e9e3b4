"""How many replicas each component runs."""

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
        target: Replicas to run; None leaves the number to a HorizontalPodAutoscaler.
        required: Replicas that must be ready for the component to be available.
        reason: Why this number was chosen.
    """

    target: int | None
    required: int
    reason: str


def replicas(spec: Spec) -> Mapping[Component, Replicas]:
    """Decide the replicas of each component."""
    if spec.suspend:
        stopped = Replicas(0, 0, "spec.suspend is true")
        return {"whisper": stopped, "ollama": stopped, "bridge": stopped}
    return {"whisper": _serving(spec.whisper), "ollama": _serving(spec.ollama), "bridge": _bridge(spec.bridge)}


def _serving(spec: ServingSpec) -> Replicas:
    minimum = spec.scaling.min_replicas
    if minimum == 0:
        return Replicas(1, 1, "scaling.minReplicas is 0, but scaling from zero is not supported yet: one replica runs")
    return Replicas(minimum, minimum, f"scaling.minReplicas is {minimum}")


def _bridge(spec: Bridge) -> Replicas:
    if spec.scaling:
        return Replicas(None, spec.scaling.min_replicas, "set by the HorizontalPodAutoscaler")
    return Replicas(spec.replicas, spec.replicas, f"bridge.replicas is {spec.replicas}")
