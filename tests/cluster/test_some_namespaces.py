"""An operator to which the chart gives two namespaces, and permissions in no other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.api import Api
from cluster.chart import RELEASE, granted, prepared
from cluster.control_plane import ControlPlane
from cluster.expected import objects, pipeline, ready
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator, Stage
from fakes.ollama_pod import Registry

pytestmark = pytest.mark.cluster

INGRESS = {"host": "speech.example.com", "className": "traefik"}
ROLE = f"{RELEASE}-operator"


@pytest.fixture
async def second(api: Api, namespace: str) -> AsyncIterator[str]:
    """Another namespace of the operator's."""
    name = f"second-{namespace}"
    await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await api.delete("Namespace", None, name)


@pytest.fixture
async def elsewhere(api: Api, namespace: str) -> AsyncIterator[str]:
    """A namespace that is not the operator's."""
    name = f"beside-{namespace}"
    await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await api.delete("Namespace", None, name)


@pytest.fixture
async def stage(controllers: ControlPlane, helm: Path, namespace: str, second: str) -> Stage:
    listed = f"watchNamespaces={{{namespace},{second}}}"
    return await prepared(controllers, helm, f"home-of-{namespace}", "--set", listed)


@pytest.fixture
async def second_kubelet(stage: Stage, api: Api, second: str) -> AsyncIterator[Kubelet]:
    async with Kubelet(api, second, Registry(["llama3"]), stage.ollama_port) as kubelet:
        yield kubelet


async def test_it_manages_the_listed_namespaces_alone(
    stage: Stage, api: Api, namespace: str, second: str, elsewhere: str, kubelet: Kubelet, second_kubelet: Kubelet
) -> None:
    assert kubelet
    assert second_kubelet
    await api.create(pipeline(elsewhere))
    await api.create(pipeline(namespace, bridge={"ingress": INGRESS}))
    await api.create(pipeline(second))

    async with Operator(stage, "some-namespaces"):
        for listed in (namespace, second):
            await api.until("SpeechPipeline", listed, "p", ready)
            await api.delete("Service", listed, "p-bridge")
            await api.until("Service", listed, "p-bridge", lambda found: found)

    assert await objects(api, elsewhere) == {}
    assert "status" not in await api.get("SpeechPipeline", elsewhere, "p")
    used = stage.plane.audit.rights_used(stage.identity.user)
    assert used - granted(stage.objects, stage.identity.user.rpartition(":")[2]) == set()


async def test_a_namespace_without_permissions_holds_up_no_other(
    stage: Stage, api: Api, namespace: str, second: str, kubelet: Kubelet, second_kubelet: Kubelet
) -> None:
    assert kubelet
    assert second_kubelet
    role = await api.get("Role", second, ROLE)
    await api.patch("Role", second, ROLE, {"rules": []})
    await api.create(pipeline(namespace))
    await api.create(pipeline(second))

    async with Operator(stage, "forbidden-namespace") as operator:
        await api.until("SpeechPipeline", namespace, "p", ready)
        await operator.until(lambda metrics: metrics["speechoperator_unreadable_kinds"] > 0)
        assert await objects(api, second) == {}
        await api.delete("Service", namespace, "p-bridge")
        await api.until("Service", namespace, "p-bridge", lambda found: found)

        await api.patch("Role", second, ROLE, {"rules": role["rules"]})

        await api.until("SpeechPipeline", second, "p", ready, within_s=60)
        await operator.until(lambda metrics: metrics["speechoperator_unreadable_kinds"] == 0)
        await operator.until(lambda metrics: metrics["speechoperator_watch_restarts_total"] == 0)
