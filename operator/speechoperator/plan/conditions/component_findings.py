"""All findings about a managed component: its refused writes, PVC, Deployment and pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube import objects
from speechoperator.plan.conditions import deployments, pods, pvcs
from speechoperator.plan.conditions.findings import worst

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from speechoperator.plan.conditions.findings import Finding
    from speechoperator.plan.conditions.inputs import Inputs


def worst_finding(inputs: Inputs, now: datetime) -> Finding | None:
    """Return the finding that is most useful to report.

    An exceeded progress deadline counts only without any other finding, and not while pods merely wait for their
    models, however long the pulls take.
    """
    if found := worst(_findings(inputs, now)):
        return found
    if inputs.deployment is None or any(inputs.waits_for_models(pod) for pod in inputs.active_pods):
        return None
    return deployments.deadline_exceeded(inputs.deployment)


def _findings(inputs: Inputs, now: datetime) -> Iterator[Finding]:
    yield from inputs.refused
    if inputs.suspended:
        return
    if inputs.pvc and (found := pvcs.finding(inputs.pvc, inputs.pvc_warning, inputs.component)):
        yield found
    if inputs.deployment and (found := deployments.creation_failure(inputs.deployment)):
        yield found
    for pod in inputs.pods:
        warning = inputs.pod_warnings.get(objects.name(pod), "")
        if objects.terminating(pod):
            continue
        if inputs.waits_for_models(pod):
            continue
        if found := pods.finding(pod, warning, now, inputs.component, inputs.gpu):
            yield found
