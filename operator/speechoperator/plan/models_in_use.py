"""A new list of models on its way to the bridges, which read it from a mounted ConfigMap.

The kubelet notices a changed ConfigMap only when it synchronizes a pod: every 60 to 90 s, and at once if the pod itself
has changed. So bridges that use another list get an annotation. Each bridge reports at `/load` which list it uses. Of a
bridge that does not (an older image, one that cannot be reached) it is unknown, and nothing waits for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from speechoperator.api.names import MODELS_REVISION, object_name
from speechoperator.kube import objects
from speechoperator.kube.objects import Ref
from speechoperator.plan.actions import Nudge
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.models import model_list
from speechoperator.plan.scaling.load import STALE_AFTER_S

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from speechoperator.kube.objects import Object
    from speechoperator.plan.draft import Draft


def follow(draft: Draft) -> None:
    """Bring a new list to the bridges; the pipeline is not ready until all that report theirs use it.

    Until then no model is removed: a bridge may still offer it.
    """
    reported, live = draft.snapshot.models_revisions, draft.snapshot.objects
    if draft.held_back or not reported:
        return
    wanted, bridge = model_list.ref(draft.pipeline.name), object_name(draft.pipeline.name, "bridge")
    by_ref = {Ref(manifest["kind"], objects.name(manifest)): manifest for manifest in draft.manifests}
    if not model_list.is_read_by(by_ref[Ref("Deployment", bridge)]):
        return
    revision = model_list.revision(by_ref[wanted])
    late = {pod for pod, used in reported.items() if used != revision}
    if not late:
        return
    draft.models = replace(draft.models, removals=())
    draft.requeue(STALE_AFTER_S)
    *others, state = draft.components
    if state.rollout:
        return  # it replaces the bridges: those before it may call another address, with other models
    draft.components = (*others, replace(state, rollout=_verdict(late, reported)))
    if wanted in live and model_list.revision(live[wanted]) == revision:
        draft.nudges = _nudges(draft.snapshot.pods, late, revision)


def _nudges(pods: Iterable[Object], late: Collection[str], revision: str) -> tuple[Nudge, ...]:
    """Return which bridges to annotate, by name: each late one once for each list.

    Args:
        pods: The pods of the pipeline.
        late: The names of the bridges that use another list.
        revision: That of the list that they are to use.
    """
    return tuple(
        Nudge(objects.name(pod), objects.uid(pod), revision)
        for pod in sorted(pods, key=objects.name)
        if objects.name(pod) in late
        and objects.alive(pod)
        and (pod["metadata"].get("annotations") or {}).get(MODELS_REVISION) != revision
    )


def _verdict(late: Collection[str], reported: Collection[str]) -> Verdict:
    """Return that bridges do not use the list yet."""
    message = f"{len(reported) - len(late)} of {len(reported)} bridges use the new list of models"
    return Verdict(status=True, reason=Reason.ROLLOUT_IN_PROGRESS, message=message).about("bridge")
