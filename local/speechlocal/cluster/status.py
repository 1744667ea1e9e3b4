"""The status of a cluster as a table: engine, nodes, add-ons, pipelines."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from speechlocal import loopback, programs
from speechlocal.cluster import addons, kind, lifecycle
from speechlocal.containers import docker, engine
from speechlocal.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

REQUEST_TIMEOUT_S = 10.0
STYLES = {True: "green", False: "red", None: "dim"}


@dataclass(frozen=True)
class Row:
    """A line of the table; `good` is None where there is nothing to check."""

    kind: str
    name: str
    state: str
    detail: str = ""
    good: bool | None = None


def show(console: Console, name: str) -> bool:
    """Print the table; return whether everything that belongs to a cluster is present and ready."""
    listed = list(rows(name))
    names, states = (max(map(len, column)) for column in zip(*((row.name, row.state) for row in listed), strict=True))
    for row in listed:
        line = Text.assemble(
            (f"{row.kind:10}", "dim"), f"{row.name:{names}}  ", (f"{row.state:{states}}", STYLES[row.good]), "  "
        )
        console.print(line + Text(row.detail, "dim"), soft_wrap=True)
    return all(row.good is not False for row in listed)


def rows(name: str) -> Iterator[Row]:
    """Yield rows for the engine, the cluster, its nodes, its add-ons and its pipelines, as far as they exist."""
    if not docker.answers():
        yield Row("engine", "docker", "not running", "make cluster starts it, or prints how to", good=False)
        return
    started = engine.started_here()
    version = docker.docker("version", "--format", "{{.Server.Version}}")
    yield Row(
        "engine", "docker", "running", f"{version}{f', started here (pid {started.pid})' if started else ''}", good=True
    )
    for other in kind.clusters():
        if other != name:
            yield Row("cluster", other, lifecycle.inspect(other).state.value, "another cluster on this engine")
    found = lifecycle.inspect(name)
    if found.state is not lifecycle.State.RUNNING:
        yield Row("cluster", name, found.state.value, "make cluster", good=False)
        return
    ingress = loopback.address(found.port)
    try:
        nodes = items(name, "nodes")
    except LocalError as error:
        yield Row("cluster", name, "does not answer", error.message.splitlines()[-1], good=False)
        return
    yield Row("cluster", name, "running", f"ingress {ingress}  KUBECONFIG={kind.kubeconfig(name)}", good=True)
    yield from (node_row(node) for node in nodes)
    deployments = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in items(name, "deployments")}
    for addon in addons.ADDONS:
        yield addon_row(addon, deployments.get((addon.namespace, addon.name)), found.port)
    try:
        pipelines = items(name, "speechpipelines")
    except LocalError:  # without the chart there is no CRD
        yield Row("pipelines", "", "none", "the platform is not installed")
        return
    yield from (pipeline_row(one) for one in pipelines)


def node_row(node: Mapping[str, Any]) -> Row:
    """Return the row of a node."""
    ready = condition(node, "Ready")
    gpus = node["status"]["capacity"].get(addons.GPU, "0")
    version = node["status"]["nodeInfo"]["kubeletVersion"]
    good = ready.get("status") == "True"
    detail = f"Kubernetes {version}, {gpus} simulated GPUs" if good else ready.get("message", "")
    return Row("node", node["metadata"]["name"], "ready" if good else "not ready", detail, good=good)


def addon_row(addon: addons.Addon, deployment: Mapping[str, Any] | None, port: int) -> Row:
    """Return the row of an add-on, from its Deployment; `port` is the ingress's."""
    if deployment is None:
        return Row("add-on", addon.name, "missing", "make cluster", good=False)
    good = condition(deployment, "Available").get("status") == "True"
    detail = f"{addon.purpose}: http://{addon.host}:{port}/" if addon.host else addon.purpose
    return Row("add-on", addon.name, "ready" if good else "not ready", detail, good=good)


def pipeline_row(pipeline: Mapping[str, Any]) -> Row:
    """Return the row of a SpeechPipeline."""
    meta = pipeline["metadata"]
    ready = condition(pipeline, "Ready")
    good = ready.get("status") == "True"
    detail = pipeline.get("status", {}).get("url", "") if good else ready.get("message", "not reconciled yet")
    return Row("pipeline", f"{meta['namespace']}/{meta['name']}", "ready" if good else "not ready", detail, good=good)


def condition(resource: Mapping[str, Any], wanted: str) -> Mapping[str, Any]:
    """Return a condition of an object's status, empty if it has none of that type."""
    found: list[Mapping[str, Any]] = resource.get("status", {}).get("conditions", [])
    return next((one for one in found if one["type"] == wanted), {})


def items(name: str, resource: str) -> list[dict[str, Any]]:
    """Return all objects of a kind in a cluster; raise LocalError if it does not answer or has no such kind."""
    if programs.find("kubectl") is None:  # a status builds nothing
        raise LocalError("kubectl is missing", "make cluster")
    listed = addons.kubectl(
        name, "get", resource, "--all-namespaces", "--output=json", f"--request-timeout={REQUEST_TIMEOUT_S:.0f}s"
    )
    found: list[dict[str, Any]] = json.loads(listed)["items"]
    return found
