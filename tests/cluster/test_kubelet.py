"""The stand-in for scheduler and kubelet: with the real Deployment controller it brings pods up, or not."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cluster.api import STRATEGIC, Api
from cluster.control_plane import ControlPlane
from cluster.kubelet import Kubelet
from cluster.pod_status import Unschedulable, no_image
from speechlocal.children import free_port

pytestmark = pytest.mark.cluster

GATE = "example.com/models-ready"


@pytest.fixture
async def kubelet(controllers: ControlPlane, api: Api, namespace: str) -> AsyncIterator[Kubelet]:
    assert controllers
    async with Kubelet(api, namespace, ollama_port=free_port()) as kubelet:
        yield kubelet


def deployment(namespace: str, **pod: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": "ollama"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "llm", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "ollama", "image": "ollama/ollama:0.17.4"}], **pod},
            },
        },
    }


def replicas(count: int) -> Any:
    return lambda found: found.get("status", {}).get("readyReplicas", 0) == count


async def the_pod(api: Api, namespace: str) -> dict[str, Any]:
    [pod] = await api.list("Pod", namespace)
    return pod


async def test_a_pod_becomes_ready_when_its_gate_opens(api: Api, namespace: str, kubelet: Kubelet) -> None:
    await api.create(deployment(namespace, readinessGates=[{"conditionType": GATE}]))
    await api.until("Deployment", namespace, "llm", lambda found: found.get("status", {}).get("replicas"))
    name = (await the_pod(api, namespace))["metadata"]["name"]
    pod = await api.until("Pod", namespace, name, lambda found: found["status"]["phase"] == "Running")
    ready = next(one for one in pod["status"]["conditions"] if one["type"] == "Ready")
    assert ready["message"] == f'corresponding condition of pod readiness gate "{GATE}" does not exist.'
    gate = {"status": {"conditions": [{"type": GATE, "status": "True"}]}}
    await api.patch("Pod", namespace, name, gate, sub="status", content_type=STRATEGIC)
    await api.until("Deployment", namespace, "llm", replicas(1))
    assert kubelet.ollamas[name].url.startswith(f"http://{pod['status']['podIP']}:")


async def test_a_pod_that_cannot_start_says_why_until_it_can(api: Api, namespace: str, kubelet: Kubelet) -> None:
    kubelet.fate = lambda _: Unschedulable()
    await api.create(deployment(namespace))
    await api.until("Deployment", namespace, "llm", lambda found: found.get("status", {}).get("replicas"))
    name = (await the_pod(api, namespace))["metadata"]["name"]
    await api.until("Pod", namespace, name, lambda found: "Unschedulable" in str(found["status"].get("conditions")))
    kubelet.fate = lambda _: no_image("ollama/ollama:0.17.4")
    await kubelet.requeue_after()
    await api.until("Pod", namespace, name, lambda found: "ImagePullBackOff" in str(found["status"]))
    kubelet.fate = lambda _: None
    await kubelet.requeue_after()
    await api.until("Deployment", namespace, "llm", replicas(1))
