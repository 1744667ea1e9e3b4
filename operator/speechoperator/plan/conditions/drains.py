"""New pods that wait for what a terminating pod of their component still occupies: its GPUs, its volume or its port.

A rolling update creates the new pod as soon as the old one is told to end. It then waits, for as long as the old one
may finish its requests, which is no fault. One that still exists after that, because its node is down, is no excuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube import objects
from speechoperator.plan.conditions import pods
from speechoperator.plan.conditions.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from speechoperator.kube.objects import Object
    from speechoperator.plan.conditions.findings import Finding
    from speechoperator.plan.conditions.inputs import Inputs

_BLOCKED = frozenset({Reason.UNSCHEDULABLE, Reason.START_BLOCKED})
_STILL_ATTACHED = "Multi-Attach error"
"""Of the attach-detach controller: another node has the volume (`pkg/controller/volume/attachdetach/util`)."""


def predecessors(inputs: Inputs, now: datetime) -> Mapping[str, str]:
    """Return the terminating pod that each waiting pod takes the place of, by name; the oldest one comes first."""
    waiting = sorted(
        (pod for pod in inputs.active_pods if _waits(pod, inputs)),
        key=lambda pod: (objects.created(pod), objects.name(pod)),
    )
    return dict(zip(map(objects.name, waiting), map(objects.name, inputs.draining_pods(now)), strict=False))


def ends_with_the_drain(finding: Finding) -> bool:
    """Return whether a finding about a pod ends once its predecessor is gone."""
    return finding.reason in _BLOCKED


def make_room(uncreated: Finding, inputs: Inputs, now: datetime) -> bool:
    """Return whether the draining pods leave enough of the quota to all pods that could not be created."""
    missing = inputs.desired - len(inputs.active_pods)
    draining = len(inputs.draining_pods(now))
    return uncreated.reason is Reason.QUOTA_EXCEEDED and 0 < draining >= missing


def seconds_until_over(inputs: Inputs, now: datetime) -> float | None:
    """Return the seconds until the next terminating pod is no excuse any more; None if none is one."""
    waits = (objects.seconds_of_drain(pod, now) for pod in inputs.pods)
    return min((wait for wait in waits if wait is not None), default=None)


def _waits(pod: Object, inputs: Inputs) -> bool:
    blocked = _STILL_ATTACHED in inputs.pod_warnings.get(objects.name(pod), "")
    return bool(pods.waits_for_node(pod)) or (blocked and not objects.running(pod))
