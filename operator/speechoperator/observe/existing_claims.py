"""PVCs that are not the operator's own, looked up before a component moves to them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from speechoperator.kube import kinds, objects
from speechoperator.kube.errors import ApiError
from speechoperator.kube.events import last_seen
from speechoperator.kube.kinds import PVC
from speechoperator.observe.polling import Target
from speechoperator.plan.rollout import claims

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.api import SpeechPipeline
    from speechoperator.kube.client import KubeClient
    from speechoperator.kube.objects import Object, Ref
    from speechoperator.observe.polling import Polls

_MISSING_S, _USABLE_S = 10.0, 60.0
"""Seconds until a PVC is looked up again."""


def obstacles(
    polls: Polls, client: KubeClient, pipeline: SpeechPipeline, owned: Mapping[Ref, Object]
) -> Mapping[str, str]:
    """Return why the PVCs that running components are to move to cannot be used, as far as they were looked up."""
    found = {}
    for claim in {move.claim for move in claims.moves(pipeline, owned)}:
        known = polls.latest(
            Target("existing PVC", claim),
            partial(obstacle, client, polls.key.namespace, claim),
            lambda why: _MISSING_S if why else _USABLE_S,
        )
        if known is not None:
            found[claim] = known
    return found


async def obstacle(client: KubeClient, namespace: str, name: str) -> str:
    """Return why a PVC cannot be used, empty if it can. A lookup that fails is a reason, too."""
    try:
        found, _ = await client.list(PVC, namespace, fields=f"metadata.name={name}")
        if not any(objects.status(claim).get("phase") == "Pending" for claim in found):
            return claims.obstacle(found, name)
        events, _ = await client.list(kinds.EVENT, namespace, fields=f"involvedObject.uid={objects.uid(found[0])}")
    except ApiError as error:
        return f'persistentvolumeclaim "{name}" cannot be looked up: {error.advice}'
    newest = max(events, key=last_seen, default={})
    return claims.obstacle(found, name, newest.get("reason", ""))
