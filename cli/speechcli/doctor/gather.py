"""Read what the checks judge. What cannot be read is noted with its reason; the pipeline itself must be readable."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from speechcli.doctor import outside
from speechcli.doctor.facts import Facts, Listed, Permission, Resolved, VolumeUse
from speechcli.kube.client import ApiError, Json
from speechcli.kube.pipelines import pipeline, selector
from speechcli.kube.resources import (
    ACCESS_REVIEWS,
    CRDS,
    DAEMON_SETS,
    DEPLOYMENTS,
    EVENTS,
    INGRESS_CLASSES,
    INGRESSES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PIPELINES,
    PODS,
    PVCS,
    SECRETS,
    SERVICES,
    Resource,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from speechcli.doctor.facts import Handshake, Readiness
    from speechcli.kube.client import KubeClient

OPERATOR = "app.kubernetes.io/name=speechpipeline-operator"
NEEDED = (
    (PIPELINES, "", "watch", "`status -w` follows it", False),
    (PODS, "", "list", "`ask`, `transcribe` and `bench` look for the bridge", False),
    (PODS, "portforward", "create", "`ask`, `transcribe` and `bench` connect to the bridge", False),
    (EVENTS, "", "list", "`doctor` shows the words of the scheduler and the kubelet", False),
    (PVCS, "", "list", "`doctor` checks the storage", False),
    (INGRESSES, "", "list", "`doctor` checks the address", False),
    (NODES, "", "list", "`doctor` checks the GPUs", True),
)
"""What the plugin does, with the verb, its purpose, and whether it is cluster-wide."""


async def gather(client: KubeClient, wanted: str, readiness: Awaitable[Readiness]) -> Facts:
    """Return the facts about a pipeline of the client's namespace.

    Args:
        client: reads from the API server.
        wanted: the pipeline's name.
        readiness: the bridge's answer, awaited while the rest is read.

    Raises:
        ClusterError: the pipeline cannot be read.
    """
    asked = asyncio.ensure_future(readiness)
    try:
        found = await pipeline(client, wanted)
    except BaseException:
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        raise
    own, labels = client.namespace, selector(wanted)
    ingress = ((found.get("spec") or {}).get("bridge") or {}).get("ingress") or {}
    listed = await asyncio.gather(
        _one(client, CRDS.path(name="speechpipelines.speechpipeline.dev")),
        _all(client, DEPLOYMENTS, labels=OPERATOR),
        _all(client, PODS, own, labels=labels),
        _all(client, EVENTS, own, fields="type=Warning"),
        _all(client, PODS),
        _all(client, NODES),
        _all(client, NAMESPACES),
        _all(client, DAEMON_SETS),
        _all(client, PVCS, own),
        _all(client, INGRESSES, own, labels=labels),
        _all(client, INGRESS_CLASSES),
        _all(client, NETWORK_POLICIES, own, labels=labels),
        _all(client, SERVICES, own, labels=labels),
        _secret(client, ingress.get("tlsSecretName", "")),
    )
    resolved, handshake = await _host(ingress)
    crd, operators, pods, events, all_pods, nodes, namespaces, daemon_sets, pvcs, *of_bridge = listed
    ingresses, classes, policies, services, tls = of_bridge
    return Facts(
        pipeline=found,
        now=datetime.now(UTC),
        crd=crd,
        operators=operators,
        permissions=tuple(await asyncio.gather(*(_permission(client, *one) for one in NEEDED))),
        pods=pods,
        events=events,
        all_pods=all_pods,
        nodes=nodes,
        namespaces=namespaces,
        daemon_sets=daemon_sets,
        pvcs=pvcs,
        volumes=await _volumes(client, pods.items),
        ingresses=ingresses,
        ingress_classes=classes,
        network_policies=policies,
        services=services,
        tls_secret=tls,
        resolved=resolved,
        handshake=handshake,
        readiness=await asked,
    )


async def _all(client: KubeClient, resource: Resource, namespace: str = "", **selectors: str) -> Listed:
    try:
        return Listed(tuple(await client.list(resource, namespace, **selectors)))
    except ApiError as error:
        return Listed(refused=error.message)


async def _one(client: KubeClient, path: str) -> Listed:
    try:
        return Listed((await client.get(path),))
    except ApiError as error:
        return Listed() if error.status == HTTPStatus.NOT_FOUND else Listed(refused=error.message)


async def _secret(client: KubeClient, secret: str) -> Listed:
    return await _one(client, SECRETS.path(client.namespace, secret)) if secret else Listed()


async def _permission(
    client: KubeClient,
    resource: Resource,
    subresource: str,
    verb: str,
    purpose: str,
    cluster_wide: bool,  # noqa: FBT001
) -> Permission:
    attributes = {
        "group": resource.group,
        "resource": resource.plural,
        "subresource": subresource,
        "verb": verb,
        **({} if cluster_wide else {"namespace": client.namespace}),
    }
    body: Json = {
        "apiVersion": ACCESS_REVIEWS.version,
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    try:
        allowed = bool((await client.post(ACCESS_REVIEWS.path(), body))["status"]["allowed"])
    except (ApiError, KeyError):
        allowed = None
    full_name = f"{resource.plural}/{subresource}" if subresource else resource.full_name
    return Permission(verb, full_name, purpose, allowed, cluster_wide)


async def _volumes(client: KubeClient, pods: Iterable[Json]) -> dict[str, VolumeUse]:
    """Return how full the PVCs of the pods are, from the kubelets that may be asked."""
    nodes = {pod["spec"]["nodeName"] for pod in pods if (pod.get("spec") or {}).get("nodeName")}
    summaries = await asyncio.gather(
        *(_one(client, f"{NODES.path(name=node)}/proxy/stats/summary") for node in sorted(nodes))
    )
    return {
        volume["pvcRef"]["name"]: VolumeUse(volume.get("usedBytes", 0), volume.get("capacityBytes", 0))
        for summary in summaries
        for one in summary.items
        for pod in one.get("pods") or ()
        for volume in pod.get("volume") or ()
        if (volume.get("pvcRef") or {}).get("namespace") == client.namespace
    }


async def _host(ingress: Json) -> tuple[Resolved | None, Handshake | None]:
    """Return what the host of an Ingress resolves to, and the handshake with it; None for what does not apply."""
    host = ingress.get("host", "")
    if not host:
        return None, None
    resolved = await outside.resolve(host)
    if resolved.error:
        return resolved, None
    return resolved, await outside.handshake(host, int(ingress.get("port") or outside.HTTPS))
