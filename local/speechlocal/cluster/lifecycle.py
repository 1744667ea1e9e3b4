"""A cluster's life: made with all it needs, found again after a reboot, and gone without a trace."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from speechlocal import debian, jobs, locks, paths
from speechlocal.cluster import addons, builds, kind
from speechlocal.cluster.access import Access
from speechlocal.containers import command, docker, engine, registries
from speechlocal.errors import LocalError, UsageError
from speechlocal.images import nodes
from speechlocal.jobs import Job, Say
from speechlocal.offline import node_image
from speechlocal.terminal import saying

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from rich.console import Console

DEFAULT_NAME = "speechpipeline"
DEFAULT_PORT = 8088
REVIVE_WITHIN_S = 180.0
ASK_WITHIN = "5s"
POLL_S = 0.5
CLUSTER, PARTS, LOADED = "cluster", "parts of the cluster", "images in the cluster"
CLUSTER_SECONDS, PARTS_SECONDS, LOADED_SECONDS = 30, 20, 30


class State(Enum):
    """How a cluster is found."""

    ABSENT = "absent"
    STOPPED = "stopped"  # after a reboot, or when its engine was killed
    RUNNING = "running"


@dataclass(frozen=True)
class Found:
    """A cluster as the engine has it; `port` is where its ingress is mapped to, 0 where it is absent."""

    state: State
    port: int = 0


@dataclass(frozen=True)
class Up:
    """A cluster that is up: the way to it, and the images (tags) that its node did not have before."""

    access: Access
    copied: frozenset[str]


def up(console: Console, name: str = DEFAULT_NAME, port: int | None = None, *, platform: bool = True) -> Up:
    """Bring up a cluster with its parts and the platform's images, from whatever state it and this machine are in.

    Args:
        console: where progress is shown.
        name: the cluster's.
        port: of the ingress on 127.0.0.1; None: the one that it has, or DEFAULT_PORT.
        platform: build the platform's images and load them.

    Raises:
        LocalError: something is missing or failed, with what to do about it.
    """
    say = saying(console, "cluster")
    engine.ensure(say)
    port = chosen_port(name, look(name), port)
    there = builds.look()
    debian.ensure(builds.packages(there, platform=platform), say)
    wanted = builds.jobs(there, platform=platform)
    announce(console, wanted)
    needs = tuple(job.name for job in wanted if job.name != builds.IMAGES)
    wanted.append(Job(f"{CLUSTER} {name}", lambda say: bring_up(name, port, say), needs, CLUSTER_SECONDS))
    wanted.append(Job(PARTS, lambda say: bring_parts(name, port, say), (f"{CLUSTER} {name}",), PARTS_SECONDS))
    copied = set[str]()
    if platform:
        needs = (f"{CLUSTER} {name}", builds.IMAGES)
        load = lambda say: copied.update(nodes.load(name, builds.platform_tags(), say))  # noqa: E731
        wanted.append(Job(LOADED, load, needs, LOADED_SECONDS))
    jobs.run(console, wanted)
    return Up(Access(kind.kubeconfig(name), port), frozenset(copied))


def announce(console: Console, wanted: list[Job]) -> None:
    """Say what will be built and about how long that takes, before it begins."""
    long = [job for job in wanted if job.seconds]
    if long:
        listed = ", ".join(job.name for job in long)
        times = jobs.in_words(long)
        console.print(f"cluster: to build first, once: {listed}; about {times} on two cores", soft_wrap=True)


def chosen_port(name: str, found: Found, wanted: int | None) -> int:
    """Return the ingress's port; raise UsageError when the cluster has another one than is asked for."""
    if found.state is State.ABSENT:
        return wanted or DEFAULT_PORT
    if wanted and found.port != wanted:
        raise UsageError(
            f"the cluster {name} has its ingress on port {found.port}, and a node's port cannot be changed",
            f"leave --port out, or take it down first: python -m speechlocal cluster down --name {name}",
        )
    return found.port


def look(name: str) -> Found:
    """Look how a cluster is."""
    return found_in(docker.container(kind.node(name)))


def found_in(container: Mapping[str, Any] | None) -> Found:
    """Return how a cluster is from `docker inspect` of its node."""
    if container is None:
        return Found(State.ABSENT)
    bindings = container["HostConfig"]["PortBindings"].get(f"{kind.INGRESS_PORT}/tcp") or [{}]
    state = State.RUNNING if container["State"]["Running"] else State.STOPPED
    return Found(state, int(bindings[0].get("HostPort") or 0))


@contextmanager
def alone(name: str, say: Say) -> Iterator[None]:
    """Work on a cluster while no other process does; what one that was killed at it left locked is unlocked."""
    lock = paths.cache() / f"cluster-{name}.lock"
    with locks.held(lock, lambda: say(f"waiting for another process that works on {name}")):
        kind.unlock(name)
        yield


def bring_up(name: str, port: int, say: Say) -> None:
    """Make a cluster, or find the one that is there fit for use; one that does not come to life again is made anew."""
    with alone(name, say):
        found = look(name)
        if found.state is not State.ABSENT:
            if (found.state is State.RUNNING or started(name, port, say)) and reached(name):
                return
            say("it does not come to life again: making it anew")
            kind.delete(name)
        say("creating it")
        kind.create(name, node_image_name(), port, say)


def started(name: str, port: int, say: Say) -> bool:
    """Start the node of a cluster that was stopped; tell whether that went well.

    Raises:
        LocalError: something else took the ingress's port meanwhile; the cluster itself is sound.
    """
    say("starting the node that was stopped")
    try:
        docker.docker("start", kind.node(name))
    except LocalError as error:
        if kind.port_taken(error.message):
            raise LocalError(error.message, kind.advice_for(error.message, port)) from error
        return False
    return True


def reached(name: str) -> bool:
    """Tell whether the way to a cluster is known, or can be had from it, and leads to an API server that is ready."""
    try:
        if not kind.kubeconfig(name).is_file():
            kind.export_kubeconfig(name, kind.kubeconfig(name))
    except LocalError:
        return False
    return answers_within(name, REVIVE_WITHIN_S)


def node_image_name() -> str:
    """Return the node image that was built here, or nothing: kind then pulls the one it was published with."""
    return "" if registries.answer() else node_image.tag([part.image for part in addons.made_here()])


def answers_within(name: str, seconds: float) -> bool:
    """Tell whether the API server of a cluster is ready, now or within some seconds."""
    deadline = time.monotonic() + seconds
    asking = (*Access(kind.kubeconfig(name), 0).kubectl, "get", "--raw=/readyz", f"--request-timeout={ASK_WITHIN}")
    while not command.succeeds(asking):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def bring_parts(name: str, port: int, say: Say) -> None:
    """Bring the parts' images into the node where it was not made with them, then the parts, and wait for them."""
    nodes.load(name, [part.image for part in addons.made_here()], say)
    say("applying them")
    addons.apply(name)
    say("waiting until they are ready")
    addons.wait_ready(name, tuple(part for part in addons.parts() if not part.slow))
    addons.wait_answers(name, port)


def down(console: Console, name: str = DEFAULT_NAME) -> None:
    """Delete a cluster with all that is in it, and stop the engine when it was started for it and nothing else runs.

    An engine that was killed is started once more: it keeps the cluster's disks, which would else be left behind.
    """
    say = saying(console, "cluster")
    engine.ensure(say)
    with alone(name, say):
        there = look(name).state is not State.ABSENT
        kind.delete(name)
    if not kind.clusters() and network_unused():
        docker.docker("network", "rm", kind.NETWORK)
    stopped = engine.stop_if_unused()
    said = f"{name} is gone with all that was in it" if there else f"there was no cluster {name}"
    console.print(f"cluster: {said}{'; the engine is stopped' if stopped else ''}", soft_wrap=True)


def network_unused() -> bool:
    """Tell whether kind's network is there and has no container."""
    try:
        listed = json.loads(docker.docker("network", "inspect", kind.NETWORK))
    except LocalError:
        return False
    return not listed[0]["Containers"]
