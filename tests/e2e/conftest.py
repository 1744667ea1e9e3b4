"""The cluster of the e2e tests: made for them, removed after them, the platform deployed as `make cluster` does it."""

import asyncio
import contextlib
import io
import os
import sys
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from rich.console import Console

from cluster.api import Api
from e2e.kind_cluster import KindCluster, reach
from e2e.service import Deployed, Service
from speechlocal import locks, paths
from speechlocal.children import free_port
from speechlocal.cluster import lifecycle, platform
from speechlocal.containers import engine
from speechlocal.errors import LocalError

NAME = "speechpipeline-e2e"


@pytest.fixture(scope="session")
def container_engine() -> Iterator[None]:
    """An engine that no other process stops before the last test of this one that uses it."""
    with contextlib.ExitStack() as use:
        try:
            use.enter_context(engine.in_use(print))
        except LocalError as error:
            why = f"no container engine: {error.message}"
            if os.environ.get("CI"):
                pytest.fail(why)
            pytest.skip(why)
        yield


@pytest.fixture(scope="session")
def kind_cluster(container_engine: None) -> Iterator[KindCluster]:  # noqa: ARG001 - it is there
    """E2E_CLUSTER=name takes a cluster of that name and leaves it; KEEP_CLUSTER=1 leaves the tests' own."""
    given = os.environ.get("E2E_CLUSTER")
    console = Console(file=sys.stderr, highlight=False)
    with contextlib.nullcontext() if given else alone(console):
        try:
            found = lifecycle.up(console, given) if given else new_cluster(console)
        except LocalError as error:
            why = f"no cluster: {error.message}"
            if os.environ.get("CI"):
                pytest.fail(why)
            pytest.skip(why)
        yield reach(given or NAME, found)
        if not given and not os.environ.get("KEEP_CLUSTER"):
            lifecycle.down(console, NAME)


def alone(console: Console) -> contextlib.AbstractContextManager[None]:
    """Wait until no other test run on this machine uses the cluster; the lock goes with the process."""
    waiting = "waiting for another test run that uses the cluster"
    return locks.held(paths.cache() / f"{NAME}-tests.lock", lambda: console.print(waiting))


def new_cluster(console: Console) -> lifecycle.Up:
    """Create the tests' cluster; one that a killed test run left behind is deleted first."""
    if lifecycle.inspect(NAME).state is not lifecycle.State.ABSENT:
        lifecycle.down(console, NAME)
    return lifecycle.up(console, NAME, free_port())


@pytest.fixture(scope="session")
def deployed(kind_cluster: KindCluster) -> Deployed:
    """The chart installed and examples/speechpipeline.yaml ready and asked, by what `make cluster` runs."""
    shown = io.StringIO()
    deploying = platform.deploy(Console(file=shown, width=120), kind_cluster.way, kind_cluster.copied)
    answer = asyncio.run(deploying)
    return Deployed(kind_cluster, shown.getvalue(), answer)


@pytest.fixture
async def cluster_api(deployed: Deployed) -> AsyncIterator[Api]:
    async with deployed.cluster.api() as api:
        yield api


@pytest.fixture
def speech(cluster_api: Api, deployed: Deployed) -> Service:
    """The pipeline of the example, which the tests share; each leaves it ready."""
    return Service(cluster_api, deployed.cluster, platform.PIPELINES, "speech")


@pytest.fixture
async def room(cluster_api: Api) -> AsyncIterator[str]:
    """A namespace of the test's own, with restricted Pod Security."""
    async with namespace(cluster_api) as name:
        yield name


@pytest.fixture
async def privileged_room(cluster_api: Api) -> AsyncIterator[str]:
    """A namespace of the test's own whose pods may mount folders of the node."""
    async with namespace(cluster_api, "privileged") as name:
        yield name


@pytest.fixture
async def other_room(cluster_api: Api) -> AsyncIterator[str]:
    """One more, as `room`."""
    async with namespace(cluster_api) as name:
        yield name


@contextlib.asynccontextmanager
async def namespace(api: Api, pod_security: str = "restricted") -> AsyncIterator[str]:
    """Create a namespace, and delete it on leaving the block.

    Nothing waits for its end: the namespace controller looks again only after half of its pods' grace period.
    """
    name = f"room-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": pod_security}
    await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    yield name
    await api.delete("Namespace", None, name)
