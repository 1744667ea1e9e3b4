"""Fixtures of a real API server, for every folder of tests that wants one (a pytest plugin, see tests/conftest.py)."""

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cluster.api import Api
from cluster.control_plane import ControlPlane, running

NEEDED = ("etcd", "kube-apiserver", "kube-controller-manager")


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd and kube-apiserver, started in seconds, once per session; where they cannot be had: skip, in CI failure."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        why = f"not on this machine: {', '.join(missing)}; `make test` builds them"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    with running(tmp_path_factory.mktemp("control-plane"), _program) as plane:
        yield plane


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


def _program(name: str) -> Path:
    return Path(shutil.which(name) or name)
