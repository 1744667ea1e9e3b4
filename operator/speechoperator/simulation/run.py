"""One simulated run: arrivals, a policy that sets the replicas, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from speechoperator.plan.scaling import Change, History, Loads, ScalingSpec, States, scale
from speechoperator.simulation.stage import Job, PodModel, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLE_S = 1.0
"""Interval at which the backlog is sampled, in seconds."""

_SECONDS_PER_HOUR = 3600.0


class Autoscaler(Protocol):
    """Sets the replicas of one component."""

    @property
    def interval(self) -> float:
        """Seconds between two decisions, a multiple of `SAMPLE_S`."""

    def decide(self, stage: Stage) -> int:
        """Return the replicas to run from now on."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run, of one component.

    Attributes:
        backlog: Seconds of work that waited, sampled every second.
        backlog_seconds: The same, integrated over time.
        replica_hours: How long all pods existed together, starting and terminating ones included.
        waits: How long each request waited, in seconds.
        highest: The highest number of replicas.
        changes: How often the replicas changed.
    """

    backlog: Sequence[float]
    backlog_seconds: float
    replica_hours: float
    waits: Sequence[float]
    highest: int
    changes: int


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the sample below which `share` (0 to 1) of all lie; the nearest rank. 0 without samples."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def simulate(
    autoscaler: Autoscaler, arrivals: Sequence[Job], model: PodModel, replicas: int, *, until: float | None = None
) -> Outcome:
    """Run one component from its first arrival until its last request is finished, and at least until `until`.

    Args:
        autoscaler: Sets the replicas.
        arrivals: The requests.
        model: The pods.
        replicas: Ready replicas at the start.
        until: The earliest end in seconds.
    """
    stage = Stage(model, replicas)
    stage.submit(arrivals)
    observed = _Observed()
    end = until if until is not None else max((job.arrival for job in arrivals), default=0.0)
    step = 0
    while stage.now < end or stage.work > 0:
        step += 1
        stage.advance(step * SAMPLE_S)
        observed.sample(stage)
        if step % round(autoscaler.interval / SAMPLE_S) == 0:
            stage.set_replicas(autoscaler.decide(stage))
    return observed.outcome(stage)


class Scaler:
    """The operator's scaler, for Whisper alone."""

    def __init__(self, spec: ScalingSpec, interval: float = 1.0) -> None:
        """Start without memory."""
        self._spec = spec
        self.interval = interval
        self._history = History()
        self.changes: list[Change] = []

    def decide(self, stage: Stage) -> int:
        """Return the replicas of Whisper."""
        decision = scale(self._spec, Loads(stage.load()), States(stage.state()), self._history, stage.now)
        self._history = decision.history
        self.changes += decision.changes
        return decision.whisper.replicas if decision.whisper else stage.desired


@dataclass
class _Observed:
    backlog: list[float] = field(default_factory=list)
    replicas: list[int] = field(default_factory=list)

    def sample(self, stage: Stage) -> None:
        self.backlog.append(stage.queued_work)
        self.replicas.append(stage.desired)

    def outcome(self, stage: Stage) -> Outcome:
        return Outcome(
            backlog=self.backlog,
            backlog_seconds=stage.backlog_seconds,
            replica_hours=stage.pod_seconds / _SECONDS_PER_HOUR,
            waits=stage.waits,
            highest=max(self.replicas, default=0),
            changes=sum(1 for one, other in zip(self.replicas, self.replicas[1:], strict=False) if one != other),
        )
