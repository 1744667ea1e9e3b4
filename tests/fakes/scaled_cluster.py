"""A planned cluster whose Whisper and Ollama report their load, for tests of the scaler within the plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cluster.pipelines import of_whisper
from fakes.planned_cluster import PlannedCluster, converged
from fakes.scaled_component import load
from speechoperator.plan.scaling.load import Load, Loads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.plan import Plan

NOTHING = Load(held=0.0, waiting=0.0, working=0.0, busy=0.0)
IDLE = Loads(load(0.0), NOTHING)
BACKLOG = Loads(load(1700.0, busy=1.0), NOTHING)
"""Almost half an hour of audio, which needs four pods."""
HELD = Loads(load(20.0, requests=0.0, held=1.0, speed=None), NOTHING)
"""A bridge holds one request."""


def scaled(minimum: int = 1, maximum: int = 4, *changes: Mapping[str, Any], **scaling: Any) -> PlannedCluster:
    """A pipeline that serves, whose Whisper has a range of replicas."""
    bounds = {"minReplicas": minimum, "maxReplicas": maximum, **scaling}
    return converged(of_whisper(cache={"accessMode": "ReadWriteMany"}, scaling=bounds), *changes)


def step(found: PlannedCluster, loads: Loads, seconds: float = 1.0) -> Plan:
    """Let time pass, report loads, plan, carry the plan out, and let the controllers work."""
    found.later(seconds)
    now = found.now.timestamp()
    found.loads = Loads(replace(loads.whisper, seen_at=now), replace(loads.ollama, seen_at=now))
    planned = found.step()
    found.settle()
    return planned


def steps(found: PlannedCluster, loads: Loads, seconds: float, interval: float = 15.0) -> None:
    """Plan again and again for some time."""
    for _ in range(round(seconds / interval)):
        step(found, loads, interval)


def replicas(found: PlannedCluster, component: str = "whisper") -> int:
    number: int = found.object("Deployment", f"calls-{component}")["spec"]["replicas"]
    return number


def history(planned: Plan, component: str = "whisper") -> list[tuple[int, int, bool]]:
    """The numbers before and after, and whether they were written, of the changes in the status."""
    changes = planned.status.get("scalingHistory", [])
    return [(one["from"], one["to"], one["ok"]) for one in changes if one["component"] == component]
