"""What goes wrong on a real cluster is named in a condition, soon, in the words of whoever knows."""

import pytest

from cluster.api import Api
from e2e.service import MODEL, Deployed, Service

pytestmark = pytest.mark.e2e

SOON_S = 60
ELSEWHERE = {
    "whisper": {"url": "http://whisper.example.com:9000"},
    "ollama": {"url": "http://ollama.example.com:11434"},
}


@pytest.fixture
def broken(cluster_api: Api, deployed: Deployed, room: str) -> Service:
    """A pipeline that is still to be applied."""
    return Service(cluster_api, deployed.cluster, room, "broken")


async def test_image_that_cannot_be_pulled(broken: Service) -> None:
    await broken.apply(**ELSEWHERE, bridge={"image": "no-such-registry.invalid/bridge:1"})

    said = await broken.says("BridgeAvailable", "no-such-registry.invalid/bridge:1", SOON_S)

    assert said["reason"]


async def test_gpu_that_is_missing(broken: Service) -> None:
    await broken.apply(ollama=ELSEWHERE["ollama"], whisper={"gpu": {"count": 64}})

    said = await broken.says("WhisperAvailable", "Insufficient nvidia.com/gpu", SOON_S)

    assert "0/1 nodes are available" in said["message"]


async def test_quota_that_is_used_up(broken: Service) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    await broken.api.create(quota, broken.namespace)
    await broken.api.until("ResourceQuota", broken.namespace, "none", lambda body: body.get("status", {}).get("hard"))

    await broken.apply(**ELSEWHERE)

    said = await broken.says("BridgeAvailable", "exceeded quota: none", SOON_S)
    assert "pods=0" in said["message"]


async def test_ingress_class_that_is_missing(broken: Service) -> None:
    await broken.apply(**ELSEWHERE, bridge={"ingress": {"host": "broken.localhost", "className": "nginx"}})

    await broken.says("Exposed", "nginx", SOON_S)


async def test_model_that_cannot_be_pulled(broken: Service) -> None:
    source = "model-registry.models.svc.cluster.local:5000/library/nobody:1"
    models = [{"name": MODEL, "source": source, "insecure": True}]
    await broken.apply(whisper=ELSEWHERE["whisper"], ollama={"models": models})

    await broken.says("ModelsReady", MODEL, 60)


async def test_claim_that_nobody_provides(broken: Service) -> None:
    await broken.apply(whisper=ELSEWHERE["whisper"], ollama={"cache": {"size": "1Gi", "storageClassName": "no-such"}})

    await broken.says("OllamaAvailable", "no-such", SOON_S)
