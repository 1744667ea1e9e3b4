"""A new list of models on its way to the bridges, which read it from a mounted ConfigMap.

The kubelet notices a changed ConfigMap only when it synchronizes a pod: every 60 to 90 s, and at once if the pod itself
has changed. So bridges that use another list get an annotation. Each bridge reports at `/load` which list it uses. Of a
bridge that does not (an older image, one that cannot be reached) it is unknown, and nothing waits for it.

After a restart the operator has heard of no bridge. Which of them were there before the list changed is known from
their annotation: in the plan that writes a list, all get the revision of the list before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from speechoperator.api import labels
from speechoperator.api.names import MODELS_REVISION, object_name
from speechoperator.kube import objects
from speechoperator.kube.objects import Ref
from speechoperator.plan.actions import AnnotatePod
from speechoperator.plan.conditions.compose import by_type
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.models import model_list
from speechoperator.plan.scaling.load import STALE_AFTER_S

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from speechoperator.kube.objects import Object
    from speechoperator.plan.draft import Draft

_LOOK_AGAIN_S = 5.0
"""Until it is looked again whether a bridge that has not answered yet is to be waited for."""


def follow(draft: Draft) -> None:
    """Bring a new list to the bridges; the pipeline is not ready until all that report theirs use it.

    Until then no model is removed: a bridge may still offer it.
    """
    if draft.held_back:
        return
    wanted, bridge = model_list.ref(draft.pipeline.name), object_name(draft.pipeline.name, "bridge")
    by_ref = {Ref(manifest["kind"], objects.name(manifest)): manifest for manifest in draft.manifests}
    if not model_list.is_read_by(by_ref[Ref("Deployment", bridge)]):
        return
    revision, found = model_list.revision(by_ref[wanted]), draft.snapshot.objects.get(wanted)
    written = model_list.revision(found) if found else ""
    asked = {pod: used for pod, used in draft.snapshot.models_revisions.items() if used != ""}
    unheard = {pod for pod, used in asked.items() if used is None} & _may_be_late(draft, changes=written != revision)
    late = unheard | {pod for pod, used in asked.items() if used not in {None, revision}}
    *others, state = draft.components
    # No annotations during a rollout: the bridges before it may call another address, with other models.
    if written and written != revision and not state.rollout:
        draft.annotate = tuple(_annotations(_bridges(draft), written))
    if not late:
        return
    draft.models = replace(draft.models, removals=())
    draft.requeue(_LOOK_AGAIN_S if unheard else STALE_AFTER_S)
    if state.rollout:
        return
    draft.components = (*others, replace(state, rollout=_verdict(late, asked)))
    if written == revision:
        draft.annotate = tuple(_annotations((pod for pod in _bridges(draft) if objects.name(pod) in late), revision))


def _bridges(draft: Draft) -> list[Object]:
    """Return the bridge pods that are not terminating, except those that do not read the list."""
    reported = draft.snapshot.models_revisions
    return [
        pod
        for pod in sorted(draft.snapshot.pods, key=objects.name)
        if labels.component_of(pod) == "bridge" and objects.alive(pod) and reported.get(objects.name(pod)) != ""
    ]


def _may_be_late(draft: Draft, *, changes: bool) -> set[str]:
    """Return the names of the bridges that were there before the list last changed, unless all are known to use it.

    Args:
        draft: The draft.
        changes: Whether this plan changes the list.
    """
    progressing = by_type(draft.snapshot.status).get("Progressing", {})
    current = progressing.get("observedGeneration") == draft.pipeline.metadata.generation
    if not changes and current and progressing.get("reason") == Reason.UP_TO_DATE.text:
        return set()
    return {objects.name(pod) for pod in _bridges(draft) if changes or _annotation(pod)}


def _annotations(pods: Iterable[Object], revision: str) -> Iterator[AnnotatePod]:
    """Yield the annotations that pods lack."""
    for pod in pods:
        if _annotation(pod) != revision:
            yield AnnotatePod(objects.name(pod), objects.uid(pod), revision)


def _annotation(pod: Object) -> str:
    found: str = (pod["metadata"].get("annotations") or {}).get(MODELS_REVISION, "")
    return found


def _verdict(late: Collection[str], asked: Collection[str]) -> Verdict:
    """Return that bridges do not use the list yet."""
    message = f"{len(asked) - len(late)} of {len(asked)} bridges use the new list of models"
    return Verdict(status=True, reason=Reason.ROLLOUT_IN_PROGRESS, message=message).about("bridge")
