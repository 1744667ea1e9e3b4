"""Deletion costs of pods: when a Deployment is scaled down, its ReplicaSet deletes those with the lowest cost first.

https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#pod-deletion-cost
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from speechoperator.api.names import POD_DELETION_COST
from speechoperator.kube import objects
from speechoperator.plan.actions import PodCost

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from speechoperator.kube.objects import Object
    from speechoperator.plan.scaling.load import Report

MAX_COST = 2**31 - 1


def costs(pods: Iterable[Object], loads: Mapping[str, Report]) -> tuple[PodCost, ...]:
    """Return the deletion costs that have changed, by name; what is unknown of a pod keeps its cost.

    Args:
        pods: Pods of a component that is scaled down.
        loads: What they report, by name.
    """
    found = []
    for pod in sorted(pods, key=objects.name):
        report = loads.get(objects.name(pod))
        if report is None or not objects.alive(pod):
            continue
        cost = _cost(report)
        if cost != _present(pod):
            found.append(PodCost(objects.name(pod), objects.uid(pod), cost))
    return tuple(found)


def _cost(report: Report) -> int:
    """Return the work that a pod would have to finish: its requests, and their seconds of audio."""
    work = (report.waiting, report.working, report.audio_seconds_waiting, report.audio_seconds_working)
    return min(math.ceil(sum(amount or 0.0 for amount in work)), MAX_COST)


def _present(pod: Object) -> int:
    written = (pod["metadata"].get("annotations") or {}).get(POD_DELETION_COST, "0")
    try:
        return int(written)
    except ValueError:
        return 0
