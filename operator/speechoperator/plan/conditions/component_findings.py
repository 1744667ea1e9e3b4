"""All findings about a managed component: its refused writes, PVC, Deployment and pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api.names import CACHE_VOLUME
from speechoperator.kube import objects
from speechoperator.plan.conditions import deployments, drains, pods, pvcs
from speechoperator.plan.conditions.findings import worst

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from speechoperator.kube.objects import Object
    from speechoperator.plan.conditions.findings import Finding
    from speechoperator.plan.conditions.inputs import Inputs


def worst_finding(inputs: Inputs, now: datetime) -> Finding | None:
    """Return the finding that is most useful to report.

    An exceeded progress deadline counts only without any other finding, and not while pods merely wait for a node or
    for their models, however long the pulls take.
    """
    if found := worst(_findings(inputs, now)):
        return found
    if inputs.deployment is None or any(
        inputs.waits_for_models(pod) or pods.waits_for_node(pod) for pod in inputs.active_pods
    ):
        return None
    return deployments.deadline_exceeded(inputs.deployment)


def _findings(inputs: Inputs, now: datetime) -> Iterator[Finding]:
    yield from inputs.refused
    if inputs.suspended:
        return
    if inputs.pvc and (found := pvcs.finding(inputs.pvc, inputs.pvc_warning, inputs.component, inputs.cache_size)):
        yield found
    uncreated = deployments.creation_failure(inputs.deployment) if inputs.deployment else None
    if uncreated and not drains.make_room(uncreated, inputs, now):
        yield uncreated
    predecessors = drains.predecessors(inputs, now)
    for pod in inputs.pods:
        if objects.terminating(pod) or _replaced(pod, inputs.active_pods):
            continue
        if inputs.waits_for_models(pod):
            continue
        warning = inputs.pod_warnings.get(objects.name(pod), "")
        found = pods.finding(pod, warning, now, inputs.component, inputs.gpu, inputs.node_grace_s)
        if found and not (objects.name(pod) in predecessors and drains.ends_with_the_drain(found)):
            yield found


def _replaced(pod: Object, active_pods: Iterable[Object]) -> bool:
    """Return whether a pod has finished and a younger one has taken its place; evicted pods are kept for a while.

    One that filled its cache downloads the same again in its place, and is evicted again: it counts until a younger pod
    is ready, or has another volume.
    """
    if not objects.finished(pod):
        return False
    younger = [other for other in active_pods if objects.created(other) > objects.created(pod)]
    if not pods.filled_its_cache(pod):
        return bool(younger)
    cache = objects.volume(pod, CACHE_VOLUME)
    return any(objects.holds(one, "Ready") or objects.volume(one, CACHE_VOLUME) != cache for one in younger)
