"""PVCs that are not the operator's own, looked up before a component moves to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube.errors import ApiError
from speechoperator.kube.kinds import PVC
from speechoperator.plan.rollout import claims

if TYPE_CHECKING:
    from speechoperator.kube.client import KubeClient


async def obstacle(client: KubeClient, namespace: str, name: str) -> str:
    """Return why a PVC cannot be used, empty if it can. A lookup that fails is a reason, too."""
    try:
        found, _ = await client.list(PVC, namespace, fields=f"metadata.name={name}")
    except ApiError as error:
        return f'persistentvolumeclaim "{name}" cannot be looked up: {error.advice}'
    return claims.obstacle(found, name)
