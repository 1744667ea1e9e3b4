"""A node drained of the pods of one pipeline."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.api import Object
    from e2e.service import Service

PARTS = ("whisper", "ollama", "bridge")
WITHIN_S = 240.0


async def drain_node(service: Service) -> None:
    """Evict all pods with `kubectl drain`, within their PodDisruptionBudgets, and wait until others serve.

    The cluster has a single node, which is made schedulable again at once, so that new pods can start.
    """
    pods = [pod["metadata"]["name"] for part in PARTS for pod in await service.pods(part)]
    (node,) = await service.api.list("Node")
    name = node["metadata"]["name"]
    selector = f"--pod-selector=app.kubernetes.io/instance={service.name}"
    options = ("--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={WITHIN_S:.0f}s")
    draining = asyncio.create_task(asyncio.to_thread(service.cluster.kubectl, "drain", name, selector, *options))
    try:
        await service.api.until("Node", None, name, lambda body: body["spec"].get("unschedulable"), 30)
    finally:
        service.cluster.kubectl("uncordon", name)
    await draining

    for pod in pods:
        await service.api.until_gone("Pod", service.namespace, pod, WITHIN_S)
    for part in PARTS:
        await until_complete(service, part)


async def until_complete(service: Service, part: str) -> None:
    """Wait until the Deployment of a part has all replicas, and they are ready."""

    def complete(body: Object) -> bool:
        status = body.get("status", {})
        return int(status.get("readyReplicas", 0)) == int(body["spec"]["replicas"]) == int(status.get("replicas", 0))

    await service.api.until("Deployment", service.namespace, f"{service.name}-{part}", complete, WITHIN_S)
