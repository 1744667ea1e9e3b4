"""The operator is killed after every single write: what the next one finds, it finishes, to the same end."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from cluster.api import Api, Object
from cluster.expected import WITH_ITS_CLAIMS, condition, objects, pipeline, ready
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator, Stage
from cluster.proxy import Fault, FaultyApi, Request, Then
from fakes.speech_whisper import FakeSpeechWhisper

pytestmark = pytest.mark.cluster

MORE_THAN_ENOUGH = 120
WITHIN_S = 30.0
POLL_S = 0.05
OF_THIS_LIFE = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")


def essence(found: dict[tuple[str, str], Object]) -> dict[str, Any]:
    """What of the objects must be the same, whatever happened on the way."""
    return {f"{kind}/{name}": _without_life(item) for (kind, name), item in sorted(found.items())}


def _without_life(item: Object) -> Any:
    meta = {name: value for name, value in item["metadata"].items() if name not in OF_THIS_LIFE}
    meta["ownerReferences"] = [owner["name"] for owner in meta.get("ownerReferences", ())]
    if "annotations" in meta:
        meta["annotations"] = sorted(meta["annotations"])  # the hash is of the owner's uid as well
    spec = {
        name: value
        for name, value in item.get("spec", {}).items()
        if name not in {"clusterIP", "clusterIPs", "volumeName"}
    }
    return json.loads(json.dumps({"metadata": meta, "spec": spec, "data": item.get("data")}))


async def test_killed_after_every_write(stage: Stage, api: Api, namespace: str, kubelet: Kubelet) -> None:
    async with Operator(stage):
        await api.create(pipeline(namespace, **WITH_ITS_CLAIMS))
        await api.until("SpeechPipeline", namespace, "p", ready)
        wanted = essence(await objects(api, namespace))
        await api.delete("SpeechPipeline", namespace, "p")
        for kind, name in await objects(api, namespace):
            await api.until_gone(kind, namespace, name)
    kubelet.volumes.clear()
    await api.create(pipeline(namespace, **WITH_ITS_CLAIMS))
    written: list[str] = []
    async with FaultyApi(stage.plane) as proxy:
        while not ready(await api.get("SpeechPipeline", namespace, "p")):
            assert len(written) < MORE_THAN_ENOUGH, written
            await one_write(stage, proxy, api, namespace, written)
    assert essence(await objects(api, namespace)) == wanted
    [volume] = [volume for name, volume in kubelet.volumes.items() if "ollama" in name]
    assert volume.most_at_once == 1


async def test_killed_after_every_write_of_a_change(stage: Stage, api: Api, namespace: str, kubelet: Kubelet) -> None:
    """A component that moves to a service of others: objects are pruned, a PVC is orphaned, an Ingress is created."""
    async with FakeSpeechWhisper() as whisper:
        change = {
            "whisper": {"url": whisper.url, "cache": None},
            "bridge": {"ingress": {"host": "speech.example.com", "className": "traefik"}},
        }
        async with Operator(stage):
            await api.create(pipeline(namespace, **WITH_ITS_CLAIMS))
            await api.until("SpeechPipeline", namespace, "p", ready)
            await api.patch("SpeechPipeline", namespace, "p", {"spec": change})
            await api.until("SpeechPipeline", namespace, "p", finished, within_s=60)
            wanted = essence(await objects(api, namespace))
            await api.delete("SpeechPipeline", namespace, "p")
            await api.delete("PersistentVolumeClaim", namespace, "p-whisper")  # nothing else deletes it
            for kind, name in await objects(api, namespace):
                await api.until_gone(kind, namespace, name)
            kubelet.volumes.clear()
            await api.create(pipeline(namespace, **WITH_ITS_CLAIMS))
            await api.until("SpeechPipeline", namespace, "p", ready)
        await api.patch("SpeechPipeline", namespace, "p", {"spec": change})
        written: list[str] = []
        async with FaultyApi(stage.plane) as proxy:
            while not finished(await api.get("SpeechPipeline", namespace, "p")):
                assert len(written) < MORE_THAN_ENOUGH, written
                await one_write(stage, proxy, api, namespace, written, finished)
    assert essence(await objects(api, namespace)) == wanted
    assert any(line.startswith("DELETE") for line in written), "something was pruned"
    assert any("/persistentvolumeclaims/" in line for line in written), "and something orphaned"


def finished(found: Object) -> bool:
    """Ready as it stands in the spec, and nothing is under way."""
    progressing = condition(found, "Progressing")
    settled = progressing.get("observedGeneration") == found["metadata"]["generation"]
    return ready(found) and settled and progressing.get("status") == "False"


async def one_write(
    stage: Stage,
    proxy: FaultyApi,
    api: Api,
    namespace: str,
    written: list[str],
    done: Callable[[Object], bool] = ready,
) -> None:
    """Run an operator until its first write is done and kill it before it learns so, or until the pipeline is done."""
    operator = Operator(stage, url=proxy.url)

    def interfere(request: Request) -> Fault | None:
        if not request.writes or "/leases" in request.path:
            return None
        written.append(f"{request.method} {request.path}")
        return Then(operator.kill)

    proxy.interfere = interfere
    await api.delete("Lease", stage.namespace, stage.environment["LEASE_NAME"])  # as if its time had passed
    operator.process.start()
    try:
        async with asyncio.timeout(WITHIN_S):
            while operator.process.exit_code() is None:
                if done(await api.get("SpeechPipeline", namespace, "p")):
                    return
                await asyncio.sleep(POLL_S)
    finally:
        operator.kill()


async def test_without_the_operator_a_new_pod_of_ollama_becomes_ready_with_its_models(
    stage: Stage, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    """As after the drain of a node while the operator is down: it is in the way of no request."""
    async with Operator(stage):
        await api.create(pipeline(namespace))
        await api.until("SpeechPipeline", namespace, "p", ready)
    [before] = await api.list("Pod", namespace, labelSelector="app.kubernetes.io/component=ollama")

    await api.delete("Pod", namespace, before["metadata"]["name"])

    await api.until_gone("Pod", namespace, before["metadata"]["name"])
    await api.until("Deployment", namespace, "p-ollama", lambda found: found["status"].get("readyReplicas") == 1)
    [fake] = await kubelet.ollama()
    assert not fake.pulls
