"""An operator that the chart gives one namespace to look after, and rights in no other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.api import Api
from cluster.chart import granted, prepared
from cluster.control_plane import ControlPlane
from cluster.expected import objects, pipeline, ready
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator, Stage

pytestmark = pytest.mark.cluster

INGRESS = {"host": "speech.example.com", "className": "traefik"}


@pytest.fixture
async def elsewhere(api: Api, namespace: str) -> AsyncIterator[str]:
    name = f"beside-{namespace}"
    await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await api.delete("Namespace", None, name)


@pytest.fixture
async def stage(controllers: ControlPlane, helm: Path, namespace: str) -> Stage:
    return await prepared(controllers, helm, f"home-of-{namespace}", "--set", f"watchNamespace={namespace}")


async def test_it_looks_after_that_namespace_alone(
    stage: Stage, api: Api, namespace: str, elsewhere: str, kubelet: Kubelet
) -> None:
    assert kubelet
    await api.create(pipeline(elsewhere))
    await api.create(pipeline(namespace, bridge={"ingress": INGRESS}))

    async with Operator(stage, "one-namespace"):
        await api.until("SpeechPipeline", namespace, "p", ready)
        await api.delete("Service", namespace, "p-bridge")
        await api.until("Service", namespace, "p-bridge", lambda found: found)

    assert await objects(api, elsewhere) == {}
    assert "status" not in await api.get("SpeechPipeline", elsewhere, "p")
    used = stage.plane.audit.rights_used(stage.identity.user)
    assert used - granted(stage.objects, stage.identity.user.rpartition(":")[2]) == set()
