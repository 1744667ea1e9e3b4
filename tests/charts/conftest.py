from collections.abc import AsyncIterator, Iterator

import pytest

from charts.helm import Helm, program
from cluster.api import Api
from cluster.control_plane import ControlPlane, running

DEFINITION = "speechpipelines.speechpipeline.dev"


@pytest.fixture(scope="session")
def helm() -> Helm:
    return Helm(program("helm"))


@pytest.fixture(scope="session")
def bare_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of these tests' own: they make and delete the definition that others rely on."""
    programs = {name: program(name) for name in ("etcd", "kube-apiserver", "kube-controller-manager")}
    with running(tmp_path_factory.mktemp("bare-cluster"), programs) as plane:
        plane.start_controllers()
        yield plane


@pytest.fixture
async def admin(bare_cluster: ControlPlane) -> AsyncIterator[Api]:
    async with Api(bare_cluster.access()) as api:
        yield api


@pytest.fixture
async def no_definition(admin: Api) -> None:
    """As if the chart had never been installed; without it a test finds what an earlier one left, as Helm keeps it."""
    await admin.delete("CustomResourceDefinition", None, DEFINITION)
    await admin.until_gone("CustomResourceDefinition", None, DEFINITION)


@pytest.fixture
def cluster_helm(bare_cluster: ControlPlane) -> Helm:
    return Helm(program("helm"), "--kubeconfig", str(bare_cluster.kubeconfig()))


@pytest.fixture
async def restricted(admin: Api, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A namespace with restricted Pod Security, named after the test: releases and their cluster roles are, too."""
    name = request.node.name.partition("[")[0].removeprefix("test_").replace("_", "-")[:40].strip("-")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    yield name
    await admin.delete("Namespace", None, name)
