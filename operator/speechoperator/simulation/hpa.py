"""Kubernetes' HorizontalPodAutoscaler, for comparison.

Source: Kubernetes 1.34, `pkg/controller/podautoscaler`: `replica_calculator.go` (`GetResourceReplicas`,
`GetExternalPerPodMetricReplicas`, `groupPods`) and `horizontal.go`, with the defaults of kube-controller-manager and
autoscaling/v2: a decision every 15 s, tolerance 0.1, scaling down stabilized over 300 s, scaling up by 100 % or 4 pods
in 15 s. Metrics are as good as they can be: CPU is the time in which a pod was busy since the last decision, and the
queue is read without delay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from speechoperator.plan.scaling.behavior import Behavior, Policy, Rules, rate_limited, stabilized
from speechoperator.plan.scaling.history import Track

if TYPE_CHECKING:
    from speechoperator.simulation.stage import Pod, Stage

SYNC_PERIOD_S = 15.0
TOLERANCE = 0.1
DOWN_WINDOW_S = 300.0
DEFAULTS = Behavior(
    up=Rules(0.0, (Policy("Percent", 100, 15.0), Policy("Pods", 4, 15.0)), tolerance=TOLERANCE),
    down=Rules(DOWN_WINDOW_S, (Policy("Percent", 100, 15.0),), tolerance=TOLERANCE),
)


@dataclass(frozen=True, slots=True)
class Targets:
    """The metrics of an HPA; with both, the higher number of replicas wins.

    Attributes:
        cpu: Average utilization of the pods, as a share; None without this metric.
        queue: Requests waiting and in work for each replica; None without this metric.
    """

    cpu: float | None = None
    queue: float | None = None


class HPA:
    """One HPA. `minimum` 0 needs the feature gate HPAScaleToZero, and works with the queue only."""

    interval = SYNC_PERIOD_S

    def __init__(self, targets: Targets, minimum: int, maximum: int) -> None:
        """Start without memory."""
        self._targets = targets
        self._minimum = max(minimum, 0 if targets.cpu is None else 1)
        self._maximum = maximum
        self._track = Track()
        self._busy: dict[Pod, float] = {}

    def decide(self, stage: Stage) -> int:
        """Return the replicas, as the controller would set them now."""
        now, current = stage.now, stage.desired
        proposals = []
        if self._targets.cpu is not None:
            proposals.append(self._by_cpu(stage, self._targets.cpu))
        if self._targets.queue is not None:
            proposals.append(self._by_queue(stage, self._targets.queue))
        desired = max(proposals)
        if not self._track.highs:
            self._track = self._track.recommend(current, now, 0.0, DOWN_WINDOW_S)
        clamped = min(max(desired, self._minimum), self._maximum)
        self._track = self._track.recommend(clamped, now, 0.0, DOWN_WINDOW_S)
        stable = stabilized(clamped, current, (), self._track.highs)
        replicas = rate_limited(stable, current, self._track.events, now, DEFAULTS)
        events = tuple(event for event in self._track.events if now - event[0] < DEFAULTS.longest_period)
        if replicas != current:
            events += ((now, replicas - current),)
        self._track = replace(self._track, events=events)
        return min(max(replicas, self._minimum), self._maximum)

    def _by_queue(self, stage: Stage, target: float) -> int:
        load, current = stage.load(), stage.desired
        usage = load.requests or 0.0
        ratio = usage / (target * current) if current else math.inf
        if abs(1 - ratio) <= TOLERANCE:
            return current
        return math.ceil(usage / target)

    def _by_cpu(self, stage: Stage, target: float) -> int:
        """Pods that are not ready, or not for a whole sample, count as idle when scaling up, else not at all."""
        now, current = stage.now, stage.desired
        present = [pod for pod in stage.pods if not pod.terminating]
        measured = {pod: pod.busy_until(now) - self._busy.get(pod, 0.0) for pod in present}
        self._busy = {pod: pod.busy_until(now) for pod in present}
        ready = [pod for pod in present if now - pod.ready_at >= SYNC_PERIOD_S]
        if not ready:
            return current
        used = sum(measured[pod] for pod in ready) / SYNC_PERIOD_S
        ratio = used / len(ready) / target
        unready = len(present) - len(ready)
        if not (unready and ratio > 1):
            return current if abs(1 - ratio) <= TOLERANCE else math.ceil(ratio * len(ready))
        lower = used / len(present) / target
        if abs(1 - lower) <= TOLERANCE or lower < 1:
            return current
        return max(math.ceil(lower * len(present)), current)
