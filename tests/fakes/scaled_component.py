"""A Whisper component for tests of the scaler: its loads and pods, changed step by step in simulated time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from speechoperator.plan.scaling import (
    Bounds,
    ComponentState,
    Decision,
    History,
    Load,
    Loads,
    ScalingSpec,
    States,
    WhisperScaling,
    scale,
)

SPEED = 10.0
ONE_READY = ComponentState(desired=1, ready=1, startup_seconds=60.0)
START = 1_800_000_000.0  # a Friday, 08:00 UTC


def load(audio: float = 0.0, *, busy: float = 0.0, requests: float | None = None, **members: Any) -> Load:
    """The load of pods with `busy` pods at work, and seconds of audio in a queue."""
    waiting = requests if requests is not None else audio / 30
    amounts: dict[str, Any] = {
        "held": 0.0,
        "waiting": float(waiting),
        "working": float(busy),
        "busy": float(busy),
        "audio_seconds_waiting": float(audio),
        "audio_seconds_working": busy * 5.0,
        "speed": SPEED,
        "oldest_wait_seconds": 0.0,
    }
    return Load(**(amounts | members))


def whisper(minimum: int = 1, maximum: int = 10, **members: Any) -> ScalingSpec:
    """A spec in which only Whisper is scaled."""
    gpus = members.pop("gpus", 0)
    budget = members.pop("gpu_budget", None)
    mode = members.pop("mode", "Auto")
    schedules = members.pop("schedules", ())
    bounds = Bounds(minimum, maximum, gpus)
    return ScalingSpec(mode, WhisperScaling(bounds, **members), gpu_budget=budget, schedules=schedules)


@dataclass
class ScaledWhisper:
    """Whisper and its scaler. Pods become ready when a test says so."""

    spec: ScalingSpec = field(default_factory=whisper)
    state: ComponentState = ONE_READY
    now: float = START
    history: History = field(default_factory=History)
    decisions: list[Decision] = field(default_factory=list)

    def step(self, seen: Load, seconds: float = 1.0, *, fresh: bool = True) -> int:
        """Decide once after some seconds, write the result; return the replicas."""
        self.now += seconds
        current = replace(seen, seen_at=self.now) if fresh else seen
        decision = scale(self.spec, Loads(current), States(self.state), self.history, self.now)
        self.history = decision.history
        self.decisions.append(decision)
        assert decision.whisper
        if decision.write:
            self.write(decision.whisper.replicas)
        return decision.whisper.replicas

    def write(self, replicas: int) -> None:
        """Write `spec.replicas`: new pods start; those without a node are deleted first, then loading ones."""
        state = self.state
        more, fewer = max(0, replicas - state.desired), max(0, state.desired - replicas)
        pending = min(state.pending, fewer)
        loading = min(state.starting, fewer - pending)
        self.state = replace(
            state,
            desired=replicas,
            pending=state.pending - pending,
            starting=state.starting + more - loading,
            ready=max(0, state.ready - (fewer - pending - loading)),
        )

    def pods_become_ready(self) -> None:
        """All loading pods are ready."""
        self.state = replace(self.state, ready=self.state.ready + self.state.starting, starting=0)

    def steps(self, seen: Load, seconds: int, interval: float = 1.0) -> list[int]:
        """Decide every second for some time."""
        return [self.step(seen, interval) for _ in range(round(seconds / interval))]
