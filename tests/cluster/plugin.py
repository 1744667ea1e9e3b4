"""Fixtures of a real API server, for every folder of tests that wants one (a pytest plugin, see tests/conftest.py)."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from cluster.api import Api
from cluster.control_plane import ControlPlane, running
from cluster.definition import define
from speechlocal import programs

NEEDED = ("etcd", "kube-apiserver", "kube-controller-manager")


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd and kube-apiserver, started in seconds, once per session; where they cannot be had: skip, in CI failure."""
    found = {name: program for name in NEEDED if (program := programs.find(name)) is not None}
    if len(found) < len(NEEDED):
        why = f"not on this machine: {', '.join(set(NEEDED) - found.keys())}; `make test` builds them"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    with running(tmp_path_factory.mktemp("control-plane"), found) as plane:
        yield plane


@pytest.fixture(scope="session")
def crd(control_plane: ControlPlane) -> dict[str, Any]:
    """The CustomResourceDefinition, in force."""
    return asyncio.run(define(control_plane))


@pytest.fixture(scope="session")
def controllers(control_plane: ControlPlane, crd: dict[str, Any]) -> ControlPlane:  # noqa: ARG001 - see below
    """kube-controller-manager as well: it must find the CRD, or what a pipeline owns outlives it by half a minute."""
    control_plane.start_controllers()
    return control_plane


@pytest.fixture
async def api(control_plane: ControlPlane) -> AsyncIterator[Api]:
    """The API as its administrator sees it."""
    async with Api(control_plane.access()) as client:
        yield client


@pytest.fixture
async def namespace(api: Api) -> AsyncIterator[str]:
    """A namespace of the test's own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await api.delete("Namespace", None, name)
    await api.delete_all("Pod", name, gracePeriodSeconds=0)  # no kubelet ends them
