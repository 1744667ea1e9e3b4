"""The lifecycle of a cluster: create it with all it needs, restart it after a reboot, delete it without leftovers."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from speechcli.errors import UsageError
from speechlocal import debian, jobs, locks, paths
from speechlocal.cluster import addons, builds, dashboards, kind
from speechlocal.cluster.access import Access
from speechlocal.containers import command, docker, engine
from speechlocal.errors import LocalError
from speechlocal.images import nodes
from speechlocal.jobs import Job
from speechlocal.offline import provide
from speechlocal.terminal import reporter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from rich.console import Console

    from speechlocal.progress import Report

DEFAULT_NAME = "speechpipeline"
DEFAULT_PORT = 8088
REVIVE_WITHIN_S = 180.0
REQUEST_TIMEOUT = "5s"
POLL_S = 0.5
CLUSTER, ADDONS, LOAD = "cluster", "add-ons", "copying images to the cluster"
LIBRARY = "charts of the dashboards, by npm"
CLUSTER_SECONDS, ADDONS_SECONDS, LOAD_SECONDS = 30, 20, 30


class State(Enum):
    """The state of a cluster."""

    ABSENT = "absent"
    STOPPED = "stopped"  # after a reboot, or when its engine was killed
    RUNNING = "running"


@dataclass(frozen=True)
class Found:
    """A cluster as the engine has it; `port` is that of its ingress, 0 if it is absent."""

    state: State
    port: int = 0


@dataclass(frozen=True)
class Up:
    """A cluster that is up: access to it, and the images (tags) that were newly copied to its node."""

    access: Access
    copied: frozenset[str]


def up(console: Console, name: str = DEFAULT_NAME, port: int | None = None, *, platform: bool = True) -> Up:
    """Bring up a cluster with its add-ons and the platform's images, whatever the state of this machine.

    Args:
        console: where progress is shown.
        name: the cluster's.
        port: of the ingress; by default the one that the cluster has, or DEFAULT_PORT.
        platform: build the platform's images and copy them to the node.

    Raises:
        LocalError: something is missing or failed; its advice is what to do about it.
    """
    report = reporter(console, "cluster")
    with engine.held(report):
        port = chosen_port(name, inspect(name), port)
        missing = builds.find_missing()
        debian.ensure(builds.packages(missing, platform=platform), report)
        wanted = builds.jobs(missing, platform=platform)
        jobs.announce(console, "cluster", wanted)
        copied = set[str]()
        jobs.run(console, wanted + cluster_jobs(console, name, port, wanted, copied, platform=platform))
    return Up(Access(kind.kubeconfig(name), port), frozenset(copied))


def cluster_jobs(
    console: Console, name: str, port: int, building: Sequence[Job], copied: set[str], *, platform: bool
) -> list[Job]:
    """Return the jobs that bring up a cluster once what it needs is built; `copied` is given the new images' tags."""
    needs = tuple(job.name for job in building if job.name != builds.PLATFORM)
    cluster = f"{CLUSTER} {name}"
    found = [
        Job(cluster, lambda report: ensure_running(name, port, report), needs, CLUSTER_SECONDS),
        Job(ADDONS, lambda report: install_addons(name, port, report), (cluster, LIBRARY), ADDONS_SECONDS),
    ]
    if not dashboards.has_library():
        found.insert(0, Job(LIBRARY, lambda report: install_library(console, report)))
    if platform:
        tags = [image.tag for image in builds.platform_images()]
        load = lambda report: copied.update(nodes.load(name, tags, report))  # noqa: E731
        found.append(Job(LOAD, load, (cluster, builds.PLATFORM), LOAD_SECONDS))
    return found


def chosen_port(name: str, found: Found, wanted: int | None) -> int:
    """Return the ingress's port; raise UsageError if the cluster has another one than requested."""
    if found.state is State.ABSENT:
        return wanted or DEFAULT_PORT
    if wanted and found.port != wanted:
        raise UsageError(
            f"the cluster {name} has its ingress on port {found.port}, and a node's port cannot be changed",
            f"omit --port, or delete the cluster first: python -m speechlocal cluster down --name {name}",
        )
    return found.port


def inspect(name: str) -> Found:
    """Return the state of a cluster."""
    return found_in(docker.container(kind.node(name)))


def found_in(container: Mapping[str, Any] | None) -> Found:
    """Return the state of a cluster from `docker inspect` of its node."""
    if container is None:
        return Found(State.ABSENT)
    bindings = container["HostConfig"]["PortBindings"].get(f"{kind.INGRESS_PORT}/tcp") or [{}]
    state = State.RUNNING if container["State"]["Running"] else State.STOPPED
    return Found(state, int(bindings[0].get("HostPort") or 0))


@contextmanager
def locked(name: str, report: Report) -> Iterator[None]:
    """Keep other processes from working on a cluster; remove a lock that a killed one left in its kubeconfig."""
    lock = paths.cache() / f"cluster-{name}.lock"
    with locks.held(lock, lambda: report(f"waiting for another process that works on {name}")):
        kind.unlock(name)
        yield


def ensure_running(name: str, port: int, report: Report) -> None:
    """Create a cluster, or start the existing one; recreate one that does not become ready."""
    with locked(name, report):
        found = inspect(name)
        if found.state is not State.ABSENT:
            if (found.state is State.RUNNING or start_node(name, port, report)) and reachable(name):
                return
            report("it does not become ready: recreating it")
            kind.delete(name)
        report("creating it")
        kind.create(name, provide.tag("node"), port, report)


def start_node(name: str, port: int, report: Report) -> bool:
    """Start the node of a stopped cluster; return whether it could be started.

    Raises:
        LocalError: another program uses the ingress's port; the cluster itself is intact.
    """
    report("starting the stopped node")
    try:
        docker.docker("start", kind.node(name))
    except LocalError as error:
        if kind.port_in_use(error.message):
            raise LocalError(error.message, kind.advice_for(error.message, port)) from error
        return False
    return True


def reachable(name: str) -> bool:
    """Return whether a cluster has a kubeconfig, or can export one, and its API server becomes ready."""
    try:
        if not kind.kubeconfig(name).is_file():
            kind.export_kubeconfig(name, kind.kubeconfig(name))
    except LocalError:
        return False
    return api_ready(name, REVIVE_WITHIN_S)


def api_ready(name: str, within_s: float) -> bool:
    """Return whether the API server of a cluster is ready, now or within some seconds."""
    deadline = time.monotonic() + within_s
    kubectl = Access(kind.kubeconfig(name), 0).kubectl
    while not command.succeeds([*kubectl, "get", "--raw=/readyz", f"--request-timeout={REQUEST_TIMEOUT}"]):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def install_library(console: Console, report: Report) -> None:
    """Install what draws the dashboards; a failure is a warning, since no pipeline needs them."""
    try:
        dashboards.install_library(report)
    except LocalError as error:
        text = f"cluster: warning: the dashboards will lack their charts: {error.message}"
        console.print(text, soft_wrap=True, markup=False)


def install_addons(name: str, port: int, report: Report) -> None:
    """Copy the images of the add-ons to a node that lacks them, apply the add-ons and wait for them."""
    nodes.load(name, addons.built_images(), report)
    report("applying the manifests")
    addons.apply(name)
    report("waiting until they are ready")
    addons.wait_ready(name, [addon for addon in addons.ADDONS if not addon.slow])
    addons.wait_reachable(name, port)


def down(console: Console, name: str = DEFAULT_NAME) -> None:
    """Delete a cluster, and stop the engine if it was started here and is not used any more.

    An engine that was killed is started again: it has the cluster's volumes, which would otherwise stay.
    """
    report = reporter(console, "cluster")
    with engine.held(report):
        with locked(name, report):
            existed = inspect(name).state is not State.ABSENT
            kind.delete(name)
        if not kind.clusters() and network_unused():
            docker.docker("network", "rm", kind.NETWORK)
    stopped = engine.stop_if_unused()
    result = f"deleted {name}" if existed else f"there is no cluster {name}"
    console.print(f"cluster: {result}{'; stopped the container engine' if stopped else ''}", soft_wrap=True)


def network_unused() -> bool:
    """Return whether kind's network exists and has no container."""
    try:
        listed = json.loads(docker.docker("network", "inspect", kind.NETWORK))
    except LocalError:
        return False
    return not listed[0]["Containers"]
