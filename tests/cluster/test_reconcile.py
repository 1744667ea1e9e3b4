"""What becomes of a pipeline: its objects, its pods, its models, its status; and nothing more is ever written."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from cluster.api import Api, Object
from cluster.expected import PLAIN, WITH_ITS_CLAIMS, condition, objects, pipeline, ready, says
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator
from fakes.gates import Point

pytestmark = pytest.mark.cluster


@pytest.fixture
async def served(operator: Operator, api: Api, namespace: str, kubelet: Kubelet) -> Object:
    """The pipeline `p`, ready; it owns all that it has."""
    assert operator
    assert kubelet
    await api.create(pipeline(namespace, **WITH_ITS_CLAIMS))
    return await api.until("SpeechPipeline", namespace, "p", ready)


async def test_a_pipeline_becomes_objects_pods_and_a_status(api: Api, namespace: str, served: Object) -> None:
    found = await objects(api, namespace)
    assert set(found) == PLAIN
    for item in found.values():
        [owner] = item["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("SpeechPipeline", "p", served["metadata"]["uid"])
    status = served["status"]
    assert status["observedGeneration"] == served["metadata"]["generation"]
    told = {one["type"] for one in status["conditions"] if one["status"] == "True"}
    assert told >= {"Accepted", "Ready", "WhisperAvailable", "OllamaAvailable", "BridgeAvailable", "ModelsReady"}
    assert [(model["name"], model["stage"]) for model in status["models"]] == [("llama3", "Ready")]
    assert (status["whisper"]["summary"], status["bridge"]["summary"]) == ("1/1", "2/2")
    assert status["modelsSummary"] == "1/1"


async def test_events_tell_the_story_once(api: Api, namespace: str, served: Object) -> None:
    about = f"involvedObject.kind=SpeechPipeline,involvedObject.uid={served['metadata']['uid']}"
    await until_told(api, namespace, about, "Ready")
    events = await api.list("Event", namespace, fieldSelector=about)
    reasons = [event["reason"] for event in events]
    assert {"ModelReady", "Ready"} <= set(reasons)
    assert len(reasons) == len(set(reasons))


async def until_told(api: Api, namespace: str, about: str, reason: str) -> None:
    async with asyncio.timeout(20):
        async with aclosing(api.watch("Event", namespace, fieldSelector=about)) as events:
            async for _, event in events:
                if event["reason"] == reason:
                    return


async def test_a_pod_that_takes_anothers_place_finds_the_models_on_the_claim(
    api: Api, namespace: str, served: Object, kubelet: Kubelet
) -> None:
    assert served
    [pod] = await api.list("Pod", namespace, labelSelector="app.kubernetes.io/component=ollama")
    await api.delete("Pod", namespace, pod["metadata"]["name"])
    await api.until_gone("Pod", namespace, pod["metadata"]["name"])
    await api.until("Deployment", namespace, "p-ollama", lambda found: found["status"].get("readyReplicas") == 1)
    [fake] = await kubelet.ollama()
    assert not fake.pulls


async def test_the_default_service_account_token_is_in_no_pod(api: Api, namespace: str, served: Object) -> None:
    assert served
    for pod in await api.list("Pod", namespace):
        assert not [volume for volume in pod["spec"].get("volumes", []) if "projected" in volume]


async def test_pods_serve_only_once_their_models_are_there(
    operator: Operator, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    assert operator
    await api.create(pipeline(namespace, ollama={"models": [{"name": "llama3"}, {"name": "qwen3:4b"}]}))
    await api.until("SpeechPipeline", namespace, "p", says("ModelsReady", "False"))
    deployment = await api.until("Deployment", namespace, "p-ollama", lambda found: found["status"].get("replicas"))
    assert not deployment["status"].get("readyReplicas")
    await api.until("SpeechPipeline", namespace, "p", ready)
    [fake] = await kubelet.ollama()
    assert sorted(pull.json["model"] for pull in fake.pulls) == ["llama3", "qwen3:4b"]
    assert fake.volume.most_at_once == 1


async def test_a_pull_tells_how_far_it_is(operator: Operator, api: Api, namespace: str, kubelet: Kubelet) -> None:
    assert operator
    kubelet.prepare = lambda fake: fake.hold(Point.BEFORE_CHUNK)
    await api.create(pipeline(namespace))
    [fake] = await kubelet.ollama()
    gate = fake.hold(Point.BEFORE_CHUNK)
    await gate.reached(deadline=20)
    gate.step()
    found = await api.until("SpeechPipeline", namespace, "p", lambda found: pulled(found).get("completedBytes"))
    assert 0 < pulled(found)["completedBytes"] < pulled(found)["totalBytes"]
    [pod] = await api.list("Pod", namespace, labelSelector="app.kubernetes.io/component=ollama")
    assert condition(pod, "Ready").get("status") == "False"
    gate.release()
    await api.until("SpeechPipeline", namespace, "p", ready)


def pulled(found: Object) -> dict[str, Any]:
    """The model that is being pulled; empty when there is none."""
    models = found.get("status", {}).get("models") or []
    return next((model for model in models if model["stage"] == "Pulling"), {})
