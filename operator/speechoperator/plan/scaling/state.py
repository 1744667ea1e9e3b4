"""What runs of each component: its pods, as the scaler needs to know them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

ScaledComponent: TypeAlias = Literal["whisper", "ollama"]
"""A component whose replicas the operator decides; those of the bridge are left to a HorizontalPodAutoscaler."""

DEFAULT_STARTUP_S = 60.0
"""Startup time of a pod that has not been measured yet, in seconds."""


@dataclass(frozen=True, slots=True)
class ComponentState:
    """The pods of one component.

    Attributes:
        desired: `spec.replicas` of its Deployment.
        ready: Ready pods.
        starting: Pods on a node that pull their image or load their model. Pods that fail do not count.
        pending: Pods without a node.
        unschedulable: Those of the pending pods that have been without a node for longer than a new node needs.
        terminating: Pods that finish their last requests; they occupy their GPUs.
        scheduler_message: Why there is no node for them, in the scheduler's words.
        startup_seconds: Measured time from the creation of a pod until it is ready; None before the first.
        start: Replicas to start with, of a Deployment that does not exist yet or is no longer suspended; else 0.
        start_reason: Why so many, in words.
    """

    desired: int = 0
    ready: int = 0
    starting: int = 0
    pending: int = 0
    unschedulable: int = 0
    terminating: int = 0
    scheduler_message: str = ""
    startup_seconds: float | None = None
    start: int = 0
    start_reason: str = ""

    @property
    def startup(self) -> float:
        """Startup time of a pod in seconds, measured or assumed."""
        return DEFAULT_STARTUP_S if self.startup_seconds is None else self.startup_seconds

    @property
    def occupied(self) -> int:
        """Replicas whose GPUs are in use or about to be: of all pods, or of those that the Deployment will create."""
        return max(self.desired, self.ready + self.starting + self.pending) + self.terminating


@dataclass(frozen=True, slots=True)
class States:
    """The states of both scaled components."""

    whisper: ComponentState = ComponentState()
    ollama: ComponentState = ComponentState()
