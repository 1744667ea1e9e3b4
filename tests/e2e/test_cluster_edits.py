"""Each family of fields, changed while users go on asking: it comes into force, and no request is lost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from cluster.api import Object
from e2e.asking import client
from e2e.service import MODEL, REGISTRY, Deployed, Service
from e2e.traffic import Traffic, traffic
from speechlocal.cluster import platform

pytestmark = pytest.mark.e2e

FIRST_MODEL = {"name": MODEL, "source": f"{REGISTRY}:135m", "insecure": True}
SECOND_MODEL = {"name": "smollm2:other", "source": f"{REGISTRY}:135m-instruct-q4_1", "insecure": True}
ENV = [{"name": "LOG_LEVEL", "value": "debug"}]
DEBUG = {"name": "OLLAMA_DEBUG", "value": "1"}
SCHEDULING = {
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "speech", "operator": "Exists"}],
    "priorityClassName": "system-cluster-critical",
    "podAnnotations": {"example.com/edited": "yes"},
    "resources": {"requests": {"cpu": "60m", "memory": "128Mi"}},
}


@pytest.fixture
async def users(speech: Service) -> AsyncIterator[Traffic]:
    """Users who ask all through the test; each of their requests must have been answered."""
    await speech.settle()
    async with traffic(speech.cluster.ingress, speech.host) as seen:
        await seen.more()
        yield seen
        await seen.more()
    assert seen.lost == []


async def applied(speech: Service, part: str) -> None:
    """Hold the part's pods to what SCHEDULING asks of them."""
    for pod in await speech.pods(part):
        if "deletionTimestamp" in pod["metadata"]:
            continue
        spec = pod["spec"]
        assert spec["nodeSelector"] == SCHEDULING["nodeSelector"]
        assert any(item["key"] == "speech" for item in spec["tolerations"])
        assert spec["priorityClassName"] == SCHEDULING["priorityClassName"]
        assert pod["metadata"]["annotations"]["example.com/edited"] == "yes"
        assert spec["containers"][0]["resources"]["requests"]["cpu"] == "60m"


async def answering_model(speech: Service, name: str) -> str:
    """The model that answers a request for it, through the ingress."""
    body = {"model": name, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8}
    async with (
        client(speech.host) as session,
        session.post(f"{speech.cluster.ingress}/v1/chat/completions", json=body) as answer,
    ):
        assert answer.status == 200, await answer.text()
        model: str = (await answer.json())["model"]
        return model


@pytest.mark.usefixtures("users")
async def test_a_model_that_is_added_replaces_no_bridge(speech: Service) -> None:
    before = {pod["metadata"]["uid"] for pod in await speech.pods("bridge")}

    body = await speech.edit(ollama={"models": [FIRST_MODEL, SECOND_MODEL]})

    # Ready says that the bridges use the new list: nothing more is waited for.
    assert await answering_model(speech, "smollm2:other") == "smollm2:other"
    stages = {model["name"]: model["stage"] for model in body["status"]["models"]}
    assert stages == {MODEL: "Ready", "smollm2:other": "Ready"}
    assert {pod["metadata"]["uid"] for pod in await speech.pods("bridge")} == before


@dataclass(frozen=True)
class Edited:
    """What a change came to: the pipeline, the uids of pods that it did not replace, and the requests lost."""

    pipeline: Object
    kept: set[str]
    lost: list[str]


@pytest.fixture(scope="module")
def edited(deployed: Deployed) -> Edited:
    """The bridges and Ollama are changed at once."""
    bridge = {
        "replicas": 3,
        "env": ENV,
        "maxConcurrentRequests": 20,
        "requestTimeout": "120s",
        "ingress": {"annotations": {"example.com/edited": "yes"}, "port": 8089},
    }
    ollama = {"models": [FIRST_MODEL, SECOND_MODEL], "env": [DEBUG], "contextLength": 2048, "keepAlive": "30m"}

    async def edit() -> Edited:
        async with deployed.cluster.api() as api:
            speech = Service(api, deployed.cluster, platform.PIPELINES, "speech")
            await speech.settle()
            before = await uids(speech, "bridge", "ollama")
            async with traffic(speech.cluster.ingress, speech.host) as users:
                await users.more()
                body = await speech.edit(bridge={**bridge, **SCHEDULING}, ollama={**ollama, **SCHEDULING})
                await users.more()
            kept = before & await uids(speech, "bridge", "ollama")
        return Edited(body, kept, users.lost)

    return asyncio.run(edit())


async def uids(speech: Service, *components: str) -> set[str]:
    """Those of the components' pods that are not being deleted."""
    pods = [pod["metadata"] for component in components for pod in await speech.pods(component)]
    return {pod["uid"] for pod in pods if "deletionTimestamp" not in pod}


def test_a_rollout_of_bridges_and_ollama_loses_no_request(edited: Edited) -> None:
    """There are two bridges, and one Ollama on a GPU: its old pod ends first, and new requests are held."""
    assert edited.kept == set()
    assert edited.lost == []


async def test_bridges_and_their_ingress(speech: Service, edited: Edited) -> None:
    settings = await speech.bridge_settings()
    assert (settings["MAX_CONCURRENT_REQUESTS"], settings["REQUEST_TIMEOUT"]) == ("20", "120")
    assert ENV[0] in (await speech.container("bridge"))["env"]
    assert (await speech.deployment("bridge"))["status"]["readyReplicas"] == 3
    await applied(speech, "bridge")
    exposed = await speech.api.get("Ingress", speech.namespace, f"{speech.name}-bridge")
    assert exposed["metadata"]["annotations"]["example.com/edited"] == "yes"
    assert edited.pipeline["status"]["url"] == f"http://{speech.host}:8089"


async def test_ollamas_and_their_models(speech: Service, edited: Edited) -> None:
    stages = {model["name"]: model["stage"] for model in edited.pipeline["status"]["models"]}
    assert stages == {MODEL: "Ready", "smollm2:other": "Ready"}
    assert DEBUG in (await speech.container("ollama"))["env"]
    await applied(speech, "ollama")
    settings = await speech.bridge_settings()
    assert settings["MODELS"] == f"{MODEL},smollm2:other"
    assert (settings["CONTEXT_LENGTH"], settings["KEEP_ALIVE"]) == ("2048", "30m")


@pytest.mark.usefixtures("users")
async def test_a_rollout_of_whisper_loses_no_request(speech: Service) -> None:
    """There is one pod on a GPU: the old one ends first, and new requests are held."""
    added = {"name": "LOG_LEVEL", "value": "DEBUG"}
    spec = (await speech.settle())["spec"]["whisper"]
    await speech.edit(whisper={"env": [*spec["env"], added], **SCHEDULING})

    assert added in (await speech.container("whisper"))["env"]
    await applied(speech, "whisper")


@pytest.mark.usefixtures("users")
async def test_scaling_of_the_bridge(speech: Service) -> None:
    await speech.edit(bridge={"scaling": {"minReplicas": 2, "maxReplicas": 3, "targetCPUUtilization": 90}})
    scaler = await speech.api.get("HorizontalPodAutoscaler", speech.namespace, f"{speech.name}-bridge")
    await speech.edit(bridge={"scaling": None, "replicas": 2})

    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 3)
    await speech.api.until_gone("HorizontalPodAutoscaler", speech.namespace, f"{speech.name}-bridge")
    assert (await speech.deployment("bridge"))["spec"]["replicas"] == 2


async def test_keys_of_callers(speech: Service) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"support": "s3cret"}}
    await speech.api.apply(secret, speech.namespace)
    async with traffic(speech.cluster.ingress, speech.host, key="s3cret") as users:
        await users.more()
        before = await speech.pods("bridge")
        await speech.edit(bridge={"apiKeys": {"secretName": "keys"}})
        for pod in before:  # until it is gone the ingress may still know it, and it asks for no key
            await speech.api.until_gone("Pod", speech.namespace, pod["metadata"]["name"])
        await users.more()
        async with traffic(speech.cluster.ingress, speech.host) as strangers:
            await strangers.more(2)
        await speech.edit(bridge={"apiKeys": None})
        await users.more()

    assert users.lost == []
    assert strangers.right == 0


async def test_suspended_service_keeps_its_models(speech: Service) -> None:
    before = await speech.api.get("PersistentVolumeClaim", speech.namespace, f"{speech.name}-ollama")
    await speech.api.patch("SpeechPipeline", speech.namespace, speech.name, {"spec": {"suspend": True}})
    for part in ("whisper", "ollama", "bridge"):
        for pod in await speech.pods(part):
            await speech.api.until_gone("Pod", speech.namespace, pod["metadata"]["name"], within_s=120)

    await speech.edit(suspend=False)

    after = await speech.api.get("PersistentVolumeClaim", speech.namespace, f"{speech.name}-ollama")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    async with client(speech.host) as session:
        await platform.routed(session, speech.cluster.ingress)
    async with traffic(speech.cluster.ingress, speech.host) as users:
        await users.more(2)
    assert users.lost == []
