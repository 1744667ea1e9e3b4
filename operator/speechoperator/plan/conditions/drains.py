"""New pods that wait for what a terminating pod of their component still occupies: its GPUs, its volume or its port.

A rolling update creates the new pod as soon as the old one is told to end. Until then it waits, for as long as the old
one may finish its requests, which is no fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube import objects
from speechoperator.plan.conditions import pods
from speechoperator.plan.conditions.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.kube.objects import Object
    from speechoperator.plan.conditions.findings import Finding
    from speechoperator.plan.conditions.inputs import Inputs

_PASSING = frozenset({Reason.UNSCHEDULABLE, Reason.START_BLOCKED, Reason.QUOTA_EXCEEDED})
_STILL_ATTACHED = "Multi-Attach error"
"""Of the attach-detach controller: another node has the volume (`pkg/controller/volume/attachdetach/util`)."""


def predecessors(inputs: Inputs) -> Mapping[str, str]:
    """Return the terminating pod that each waiting pod takes the place of, by name; the oldest one comes first."""
    waiting = sorted(
        (pod for pod in inputs.active_pods if _waits(pod, inputs)),
        key=lambda pod: (objects.created(pod), objects.name(pod)),
    )
    return dict(zip(map(objects.name, waiting), map(objects.name, inputs.draining_pods), strict=False))


def passes(finding: Finding) -> bool:
    """Return whether a finding about a pod with a predecessor, or about one that cannot be created, passes with it."""
    return finding.reason in _PASSING


def _waits(pod: Object, inputs: Inputs) -> bool:
    blocked = _STILL_ATTACHED in inputs.pod_warnings.get(objects.name(pod), "")
    return bool(pods.waits_for_node(pod)) or (blocked and not objects.running(pod))
