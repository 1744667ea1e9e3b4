"""Where models stay: in a folder of the node that pods and pipelines share, or on a PVC, without those of the past."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.api import Api, Object
from e2e.asking import client
from e2e.service import MODEL, WHISPER, Deployed, Service, condition
from e2e.traffic import served
from fakes import model_hub
from speechlocal.cluster.platform import routed

pytestmark = pytest.mark.e2e

HUB, HUB_PORT = "hub", 8000
MODEL_BIN = f"{model_hub.DOWNLOAD} model.bin"
REPLICAS = 2
MODELS = ("tiny", "tiny.en")
FOLDERS = ("Systran--faster-whisper-tiny", "Systran--faster-whisper-tiny.en")
LIST = ("python3", "-c", "import os; print(*(name for name in os.listdir('/cache') if name.startswith('Systran')))")
STARTED_WITHIN_S = 120.0


async def test_pods_share_a_folder_of_the_node_and_a_later_pipeline_downloads_nothing(
    cluster_api: Api, deployed: Deployed, privileged_room: str
) -> None:
    room, folder = privileged_room, f"/var/lib/{privileged_room}"
    url = await run_hub(cluster_api, room)

    first = Service(cluster_api, deployed.cluster, room, "first")
    await first.apply(**from_node(folder, url))
    await first.settle()
    assert len(await first.pods("whisper")) == REPLICAS
    await answered(first)
    log = await cluster_api.text(f"/api/v1/namespaces/{room}/pods/{HUB}/log")
    assert log.splitlines() == [MODEL_BIN]
    assert await pulled(first) == {f"pulling {MODEL}"}

    await cluster_api.delete("SpeechPipeline", room, first.name)
    await cluster_api.delete("Pod", room, HUB, gracePeriodSeconds=0)
    second = Service(cluster_api, deployed.cluster, room, "second")
    await second.apply(**from_node(folder, url))
    await second.settle()
    await answered(second)
    assert await pulled(second) == set()


async def test_weights_of_the_former_model_are_deleted(cluster_api: Api, deployed: Deployed, room: str) -> None:
    hub = [{"name": "HF_ENDPOINT", "value": await run_hub(cluster_api, room)}]
    cache = {"size": "1Gi", "unusedModels": "Remove"}
    outside = {"url": "http://ollama.example.com:11434"}
    service = Service(cluster_api, deployed.cluster, room, "changed")

    for model in MODELS:
        await service.apply(whisper={"image": None, "model": model, "env": hub, "cache": cache}, ollama=outside)
        await cluster_api.until("Deployment", room, "changed-whisper", rolled_out(model), STARTED_WITHIN_S)

    (pod,) = [one for one in await service.pods("whisper") if "deletionTimestamp" not in one["metadata"]]
    log = f"/api/v1/namespaces/{room}/pods/{pod['metadata']['name']}/log?container=fetch"
    assert f"deleted /cache/{FOLDERS[0]}" in await cluster_api.text(log)
    listed = deployed.cluster.kubectl("-n", room, "exec", pod["metadata"]["name"], "--", *LIST)
    assert listed.split() == [FOLDERS[1]]


def rolled_out(model: str) -> Callable[[Object], bool]:
    """For `api.until`: all pods of a Deployment have this model and are ready."""

    def holds(deployment: Object) -> bool:
        status, spec = deployment.get("status", {}), deployment["spec"]
        fetches = spec["template"]["spec"]["initContainers"][0]["args"]
        current = status.get("observedGeneration") == deployment["metadata"]["generation"]
        counts = [status.get(name) for name in ("replicas", "updatedReplicas", "readyReplicas")]
        return model in fetches and current and counts == [spec["replicas"]] * len(counts)

    return holds


def from_node(folder: str, hub: str) -> dict[str, Object]:
    """For `Service.apply`: two Whisper pods and Ollama, with their models in a folder of the node."""
    whisper = {
        "model": "tiny.en",
        "env": [{"name": "HF_ENDPOINT", "value": hub}],
        "scaling": {"minReplicas": REPLICAS, "maxReplicas": REPLICAS},
    }
    return {"whisper": {**whisper, "cache": {"nodePath": folder}}, "ollama": {"cache": {"nodePath": folder}}}


async def answered(service: Service) -> None:
    async with client(service.host) as session:
        await routed(session, service.cluster.ingress)
    await served(service.cluster.ingress, service.host)


async def pulled(service: Service) -> set[str]:
    """What the Events of a pipeline say about pulls."""
    of_it = f"involvedObject.name={service.name},reason=ModelPulling"
    events = await service.api.list("Event", service.namespace, fieldSelector=of_it)
    return {event["message"] for event in events}


async def run_hub(api: Api, room: str) -> str:
    """Run a hub in the cluster that has the weights of Whisper's image; its URL."""
    url = f"http://{HUB}.{room}.svc.cluster.local:{HUB_PORT}"
    for body in hub_objects(url):
        await api.create(body, room)
    await api.until("Pod", room, HUB, lambda pod: condition(pod, "Ready").get("status") == "True", STARTED_WITHIN_S)
    return url


def hub_objects(url: str) -> Iterator[Object]:
    metadata = {"name": HUB, "labels": {"app": HUB}}
    source = Path(model_hub.__file__)
    yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {source.name: source.read_text()}}
    port = {"selector": metadata["labels"], "ports": [{"port": HUB_PORT}]}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": port}
    container = {
        "name": HUB,
        "image": WHISPER,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", f"/hub/{source.name}", "/models/tiny.en", url],
        "readinessProbe": {"tcpSocket": {"port": HUB_PORT}, "periodSeconds": 1},
        "volumeMounts": [{"name": HUB, "mountPath": "/hub"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "containers": [container],
        "volumes": [{"name": HUB, "configMap": {"name": HUB}}],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
