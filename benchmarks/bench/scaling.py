"""The operator's scaler compared with Kubernetes' HPA, with an oracle, and with the last value, in simulated time.

The scaler, the HPA and the pods are those of `python -m speechoperator replay`. Time is simulated and the seeds are
fixed, so the figures are the same on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from bench import scaling_arrivals
from bench.report import Figure, Goal, Section
from speechoperator.plan.scaling import Bounds, ScalingSpec, WhisperScaling
from speechoperator.plan.scaling.behavior import DEFAULT_BEHAVIOR, Behavior, Rules
from speechoperator.simulation.arrivals import read_csv
from speechoperator.simulation.hpa import HPA, Targets
from speechoperator.simulation.run import Outcome, Scaler, percentile, simulate
from speechoperator.simulation.stage import Job, PodModel, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TRACES = Path(__file__).resolve().parents[3] / "shared" / "traces"
MAXIMUM = 100  # so high that it limits no one: with a lower one, bursts measure the limit
STARTUP_S = 60.0
SPEED = 20.0  # seconds of audio per second of a pod
TRACE_SPEED = 300.0
TRACE_AUDIO_PER_TOKEN_S = 0.3
TRACE_STARTUPS_S = (30.0, 60.0, 120.0)

BACKLOG_GOAL = 0.7
HOURS_GOAL = 1.5
SAME_COST = 1.05
HPAS = (
    *(Targets(cpu=percent / 100) for percent in (50, 60, 70, 75, 80, 85, 90, 95)),
    *(Targets(queue=requests) for requests in (1, 1.5, 2, 2.5, 3, 4, 6, 8, 12, 16, 24)),
)
SHORT_WINDOW_S = 60.0
SHORT = Behavior(down=Rules(SHORT_WINDOW_S), idle_period=SHORT_WINDOW_S)
"""Gives replicas up a minute after they were needed, instead of five."""
USUAL = {"HPA, CPU 70 %": Targets(cpu=0.7), "HPA, queue 2": Targets(queue=2)}

_WINDOW_S = 60
_BISECTIONS = 5
_MOST_HEADROOM = 8.0


@dataclass(frozen=True)
class Scenario:
    """Requests, pods, and the fewest replicas."""

    name: str
    jobs: Sequence[Job]
    model: PodModel
    minimum: int = 1

    def run_scaler(self, behavior: Behavior = DEFAULT_BEHAVIOR) -> Outcome:
        """Run the operator's scaler, with its defaults unless `behavior` is given."""
        spec = ScalingSpec(whisper=WhisperScaling(Bounds(self.minimum, MAXIMUM), behavior=behavior))
        return simulate(Scaler(spec), self.jobs, self.model, self.minimum)

    def run_hpa(self, targets: Targets) -> Outcome:
        """Run an HPA."""
        return simulate(HPA(targets, self.minimum, MAXIMUM), self.jobs, self.model, self.minimum)


class KnownLoad:
    """Replicas for the load of a minute, the next or the last, over the capacity of a pod, with headroom."""

    interval = 1.0

    def __init__(self, scenario: Scenario, headroom: float, *, future: bool) -> None:
        seconds = int(scenario.jobs[-1].arrival) + 2 * _WINDOW_S
        work = [0.0] * seconds
        for job in scenario.jobs:
            work[int(job.arrival)] += job.work
        self._until = [0.0, *accumulate(work)]
        self._capacity = scenario.model.speed * _WINDOW_S / headroom
        self._minimum = scenario.minimum
        self._start = 0 if future else -_WINDOW_S

    def decide(self, stage: Stage) -> int:
        """Return the replicas; one as long as there is work."""
        first = min(max(0, round(stage.now) + self._start), len(self._until) - 1)
        last = min(first + _WINDOW_S, len(self._until) - 1)
        replicas = math.ceil((self._until[last] - self._until[first]) / self._capacity)
        return min(max(replicas, self._minimum, 1 if stage.work else 0), MAXIMUM)


def measure(say: Callable[[str], None]) -> Section:
    """Simulate everything; about five minutes."""
    section = Section("Scaling: the scaler with its defaults, in simulated time")
    scenarios = (
        Scenario("bursts", scaling_arrivals.bursts(1), PodModel(STARTUP_S, SPEED)),
        Scenario("a day", scaling_arrivals.day(2), PodModel(STARTUP_S, SPEED)),
        Scenario("from zero", scaling_arrivals.sessions(3), PodModel(STARTUP_S, SPEED), 0),
    )
    for scenario in scenarios:
        say(f"scaling: {scenario.name}, {len(scenario.jobs)} requests")
        ours, equal = _beside_hpas(section, scenario, lambda outcome: outcome.backlog_seconds)
        section.goals.append(
            Goal(
                f"{scenario.name}: backlog-seconds / HPA's at the same cost",
                BACKLOG_GOAL,
                "",
                ours.backlog_seconds / max(equal.backlog_seconds, 1.0),
            )
        )
        _beside_oracle(section, scenario, ours)
    traces = sorted(TRACES.glob("*.csv.gz"))
    for path in traces:
        trace = read_csv(path, "ContextTokens", TRACE_AUDIO_PER_TOKEN_S)
        for startup in TRACE_STARTUPS_S:
            name = f"{path.name.removesuffix('.csv.gz')}, startup {startup:.0f} s"
            say(f"scaling: {name}")
            ours, equal = _beside_hpas(section, Scenario(name, trace.jobs, PodModel(startup, TRACE_SPEED)), _p99)
            ratio = _p99(ours) / max(_p99(equal), 1.0)
            section.goals.append(Goal(f"{name}: backlog p99 / HPA's at the same cost", BACKLOG_GOAL, "", ratio))
    if traces:
        section.notes.append(
            "Traces: arrivals of Azure's LLM inference trace of 2023 (CC-BY); recordings are ContextTokens x "
            f"{TRACE_AUDIO_PER_TOKEN_S} s long, and a pod decodes {TRACE_SPEED:.0f} s of audio per second."
        )
    section.notes.append(
        f"HPA, same cost: of {len(HPAS)} targets, the one with the smallest backlog at 1/1.05 to 1.05 times our hours."
    )
    return section


def same_cost(outcomes: Sequence[Outcome], hours: float, key: Callable[[Outcome], float]) -> Outcome:
    """Return the best of the outcomes that cost about as much; if none does, of those that cost more the cheapest."""
    near = [outcome for outcome in outcomes if hours / SAME_COST <= outcome.replica_hours <= hours * SAME_COST]
    if near:
        return min(near, key=key)
    dearer = [outcome for outcome in outcomes if outcome.replica_hours > hours]
    cost = [outcome.replica_hours for outcome in dearer or outcomes]
    chosen = min(cost) if dearer else max(cost)
    return next(outcome for outcome in outcomes if outcome.replica_hours == chosen)


def _p99(outcome: Outcome) -> float:
    return percentile(outcome.backlog, 0.99)


def _beside_hpas(section: Section, scenario: Scenario, key: Callable[[Outcome], float]) -> tuple[Outcome, Outcome]:
    ours = scenario.run_scaler()
    hpas = [scenario.run_hpa(targets) for targets in HPAS]
    equal = same_cost(hpas, ours.replica_hours, key)
    usual = {name: hpas[HPAS.index(targets)] for name, targets in USUAL.items()}
    short = scenario.run_scaler(SHORT)
    columns = {"scaler": ours, f"scaler, {SHORT_WINDOW_S:.0f} s windows": short, "HPA, same cost": equal, **usual}
    section.figures += _figures(scenario.name, columns)
    return ours, equal


def _beside_oracle(section: Section, scenario: Scenario, ours: Outcome) -> None:
    instantly = Scenario(scenario.name, scenario.jobs, PodModel(0.0, scenario.model.speed), scenario.minimum)
    oracle = _at_service_level(instantly, ours.backlog_seconds, future=True)
    last_value = _at_service_level(scenario, ours.backlog_seconds, future=False)
    hours = section.figures[-1].values
    hours["oracle"] = oracle.replica_hours
    hours["last value"] = last_value.replica_hours
    section.figures[-2].values["oracle"] = oracle.backlog_seconds
    section.figures[-2].values["last value"] = last_value.backlog_seconds
    ratio = ours.replica_hours / oracle.replica_hours
    section.goals.append(Goal(f"{scenario.name}: replica-hours / the oracle's", HOURS_GOAL, "", ratio))


def _at_service_level(scenario: Scenario, backlog_seconds: float, *, future: bool) -> Outcome:
    """Return the cheapest run with at most this backlog, or, if there is none, the one with the most headroom."""
    low, high = 0.5, _MOST_HEADROOM
    best = _run_known(scenario, high, future=future)
    if best.backlog_seconds > backlog_seconds:
        return best
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        outcome = _run_known(scenario, middle, future=future)
        if outcome.backlog_seconds <= backlog_seconds:
            best, high = outcome, middle
        else:
            low = middle
    return best


def _run_known(scenario: Scenario, headroom: float, *, future: bool) -> Outcome:
    known = KnownLoad(scenario, headroom, future=future)
    return simulate(known, scenario.jobs, scenario.model, scenario.minimum)


def _figures(name: str, outcomes: dict[str, Outcome]) -> list[Figure]:
    p99 = {column: _p99(outcome) for column, outcome in outcomes.items()}
    seconds = {column: outcome.backlog_seconds for column, outcome in outcomes.items()}
    hours = {column: outcome.replica_hours for column, outcome in outcomes.items()}
    return [
        Figure(f"{name}: backlog p99", "s", p99),
        Figure(f"{name}: backlog-seconds", "s²", seconds),
        Figure(f"{name}: replica-hours", "h", hours),
    ]
