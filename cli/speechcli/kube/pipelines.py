"""Pipelines and their pods, found by name."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from speechcli.errors import ClusterError
from speechcli.kube.client import ApiError
from speechcli.kube.resources import PIPELINES, PODS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechcli.kube.client import Json, KubeClient

_SHOWN_NAMES = 10


async def pipeline(client: KubeClient, name: str) -> Json:
    """Return a pipeline of the client's namespace.

    Raises:
        ClusterError: there is none of that name, which the message lists, or it cannot be read.
    """
    try:
        return await client.get(PIPELINES.path(client.namespace, name))
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
    names = [one["metadata"]["name"] for one in await pipelines(client)]
    there = f"it has {', '.join(names[:_SHOWN_NAMES])}" if names else "it has none"
    raise ClusterError(
        f"no pipeline {name} in namespace {client.namespace}; {there}",
        "choose the namespace with -n; `kubectl get speechpipelines --all-namespaces` lists all",
    )


async def pipelines(client: KubeClient) -> list[Json]:
    """Return all pipelines of the client's namespace.

    Raises:
        ClusterError: the CRD is not installed, or they cannot be read.
    """
    try:
        return await client.list(PIPELINES, client.namespace)
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        raise ClusterError(
            "the cluster has no SpeechPipelines: their CRD is not installed",
            "install the chart (docs/how-to/install-on-kubernetes.md), or choose the cluster with --context",
        ) from error


def selector(name: str, component: str = "") -> str:
    """Return the label selector of a pipeline's pods, or of those of one component."""
    labels = f"app.kubernetes.io/name=speechpipeline,app.kubernetes.io/instance={name}"
    return f"{labels},app.kubernetes.io/component={component}" if component else labels


async def bridge_pod(client: KubeClient, name: str) -> str:
    """Return the name of a running pod of the bridge, a ready one if there is any.

    Raises:
        ClusterError: no pod of the bridge runs.
    """
    pods = await client.list(PODS, client.namespace, labels=selector(name, "bridge"))
    chosen = choose_pod(pods)
    if chosen is None:
        await pipeline(client, name)  # raises if there is none of that name
        raise ClusterError(
            f"no pod of the bridge of {name} runs",
            f"kubectl speech doctor {name} -n {client.namespace}",
            transient=True,
        )
    return chosen


def choose_pod(pods: Iterable[Json]) -> str | None:
    """Return the name of a running pod that is not being deleted, a ready one if there is any."""
    running = [
        pod
        for pod in pods
        if (pod.get("status") or {}).get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp")
    ]
    chosen = next((pod for pod in running if is_ready(pod)), running[0] if running else None)
    return str(chosen["metadata"]["name"]) if chosen else None


def is_ready(pod: Json) -> bool:
    """Return whether a pod is ready."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
