"""The operator's process on a real API server, with pods that a stand-in for the kubelet brings up."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cluster.api import Api
from cluster.chart import prepared
from cluster.control_plane import ControlPlane
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator, Stage
from fakes.ollama_pod import Registry
from speechlocal import programs


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What looks at all requests of the session comes after all of them."""
    items.sort(key=lambda item: item.path.name == "test_rights_used.py")


@pytest.fixture(scope="session")
def helm() -> Path:
    found = programs.find("helm")
    if found is None:
        why = "not on this machine: helm; `make test` builds it"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return found


@pytest.fixture(scope="session")
def stage(controllers: ControlPlane, helm: Path) -> Stage:
    """The rights and the environment that the chart gives the operator."""
    return asyncio.run(prepared(controllers, helm))


@pytest.fixture(scope="module")
def operator(stage: Stage) -> Iterator[Operator]:
    """One operator for all tests of a module; it looks after every namespace."""
    running = Operator(stage)
    with asyncio.Runner() as loop:
        loop.run(running.__aenter__())
        try:
            yield running
        finally:
            loop.run(running.__aexit__())


@pytest.fixture
async def kubelet(stage: Stage, api: Api, namespace: str) -> AsyncIterator[Kubelet]:
    """Brings up the pods of the test's namespace; Ollama's pods can pull llama3 and qwen3:4b."""
    async with Kubelet(api, namespace, Registry(["llama3", "qwen3:4b"]), stage.ollama_port) as kubelet:
        yield kubelet
