"""A spec that changes: what it asks for comes, what it asks for no more goes, what serves goes on serving."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest

from cluster.api import Api, Object
from cluster.expected import PLAIN, objects, pipeline, ready, says
from cluster.gateway_api import DEFINITION
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator
from fakes import load
from fakes.faults import refusing_url
from fakes.load import FakeLoad
from fakes.ollama_pod import FakeOllamaPod
from fakes.speech_whisper import FakeSpeechWhisper
from speechoperator.api.names import MODELS_REVISION, PORTS
from speechoperator.plan.models import model_list

pytestmark = pytest.mark.cluster


@pytest.fixture
async def served(operator: Operator, api: Api, namespace: str, kubelet: Kubelet) -> Object:
    """The pipeline `p`, ready."""
    assert operator
    assert kubelet
    await api.create(pipeline(namespace))
    return await api.until("SpeechPipeline", namespace, "p", ready)


async def change(api: Api, namespace: str, spec: dict[str, Any], name: str = "p") -> Object:
    """Change the spec and wait until the pipeline is ready as it is now."""
    await api.patch("SpeechPipeline", namespace, name, {"spec": spec})
    return await api.until("SpeechPipeline", namespace, name, ready)


async def test_what_leaves_the_spec_is_pruned(api: Api, namespace: str, served: Object) -> None:
    assert served
    exposed = {"host": "speech.example.com", "className": "traefik"}
    await change(api, namespace, {"bridge": {"ingress": exposed, "scaling": {"minReplicas": 1, "maxReplicas": 3}}})
    more = {("Ingress", "p-bridge"), ("HorizontalPodAutoscaler", "p-bridge")}
    assert set(await objects(api, namespace)) == PLAIN | more
    found = await change(api, namespace, {"bridge": {"ingress": None, "scaling": None}})
    assert set(await objects(api, namespace)) == PLAIN
    assert found["status"]["bridge"]["summary"] == "2/2"


async def test_only_what_the_pipeline_owns_is_pruned(api: Api, namespace: str, served: Object) -> None:
    config = await api.get("ConfigMap", namespace, "p-bridge")
    meta = {"labels": config["metadata"]["labels"], "namespace": namespace}
    owned = {**meta, "name": "p-of-an-older-version", "ownerReferences": config["metadata"]["ownerReferences"]}
    for metadata in ({**meta, "name": "p-of-a-person"}, owned):
        await api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    await api.until_gone("ConfigMap", namespace, "p-of-an-older-version")
    assert await api.find("ConfigMap", namespace, "p-of-a-person")
    assert served


async def test_a_gateway_takes_the_place_of_an_ingress(api: Api, namespace: str, served: Object) -> None:
    assert served
    parent = {"name": "public", "namespace": "gateways"}
    await api.patch(
        "SpeechPipeline",
        namespace,
        "p",
        {"spec": {"bridge": {"gateway": {"parentRef": parent, "host": "speech.example.com"}}}},
    )
    route = await api.until("HTTPRoute", namespace, "p-bridge", lambda found: found)
    assert route["spec"]["parentRefs"] == [parent]
    await api.patch("SpeechPipeline", namespace, "p", {"spec": {"bridge": {"gateway": None}}})
    await api.until_gone("HTTPRoute", namespace, "p-bridge")
    assert DEFINITION


async def test_kubectl_scale_reaches_the_bridge(api: Api, namespace: str, served: Object) -> None:
    await api.patch("SpeechPipeline", namespace, "p", {"spec": {"replicas": 3}}, sub="scale")
    found = await api.until("SpeechPipeline", namespace, "p", lambda found: found["status"]["bridge"]["ready"] == 3)
    assert found["metadata"]["generation"] > served["metadata"]["generation"]
    scale = (await api.get("SpeechPipeline", namespace, "p/scale"))["status"]
    pods = await api.list("Pod", namespace, labelSelector=scale["selector"])
    assert len(pods) == scale["replicas"] == 3


async def test_a_suspended_pipeline_has_no_pods_and_keeps_its_models(
    api: Api, namespace: str, served: Object, kubelet: Kubelet
) -> None:
    assert served
    await api.patch("SpeechPipeline", namespace, "p", {"spec": {"suspend": True}})
    for part in ("whisper", "ollama", "bridge"):
        await api.until("Deployment", namespace, f"p-{part}", lambda found: not found["status"].get("replicas"))
    assert await api.find("PersistentVolumeClaim", namespace, "p-ollama")
    await change(api, namespace, {"suspend": False})
    [fake] = await kubelet.ollama()
    assert not fake.pulls, "the models were on the claim already"


async def test_a_model_that_is_added_is_pulled_beside_the_traffic(
    api: Api, namespace: str, served: Object, kubelet: Kubelet
) -> None:
    assert served
    [fake] = await kubelet.ollama()
    await api.patch(
        "SpeechPipeline", namespace, "p", {"spec": {"ollama": {"models": [{"name": "llama3"}, {"name": "qwen3:4b"}]}}}
    )
    found = await api.until("SpeechPipeline", namespace, "p", lambda found: found["status"]["modelsSummary"] == "2/2")
    assert [one["stage"] for one in found["status"]["models"]] == ["Ready", "Ready"]
    assert [*kubelet.ollamas.values()] == [fake], "the pod was not replaced"
    config = await api.until("ConfigMap", namespace, "p-bridge", lambda found: "qwen3:4b" in found["data"]["MODELS"])
    assert config["data"]["MODELS"] == "llama3,qwen3:4b"


async def test_a_model_that_is_added_replaces_no_bridge(
    api: Api, namespace: str, served: Object, kubelet: Kubelet
) -> None:
    assert served
    assert kubelet
    bridges = "app.kubernetes.io/component=bridge"
    before = await named(api, "ReplicaSet", namespace, bridges), await named(api, "Pod", namespace, bridges)
    old = model_list.revision(await api.get("ConfigMap", namespace, "p-bridge-models"))
    async with reporting(api, namespace, bridges, models_revision=old) as reports:
        models = [{"name": "llama3"}, {"name": "qwen3:4b"}]
        await api.patch("SpeechPipeline", namespace, "p", {"spec": {"ollama": {"models": models}}})
        for name in reports:
            annotated = partial(has_another_annotation, old)
            pod = await api.until("Pod", namespace, name, annotated, 60)
            new = annotations(pod)[MODELS_REVISION]
        waits = says("Progressing", "True", "0 of 2 bridges use the new list of models")
        await api.until("SpeechPipeline", namespace, "p", waits)
        assert new == model_list.revision(await api.get("ConfigMap", namespace, "p-bridge-models")) != old
        for report in reports.values():
            report.report(models_revision=new)
        await api.until("SpeechPipeline", namespace, "p", ready)
    after = await named(api, "ReplicaSet", namespace, bridges), await named(api, "Pod", namespace, bridges)
    assert after == before


async def named(api: Api, kind: str, namespace: str, labels: str) -> set[str]:
    return {found["metadata"]["name"] for found in await api.list(kind, namespace, labelSelector=labels)}


def has_another_annotation(revision: str, pod: Object) -> bool:
    return annotations(pod).get(MODELS_REVISION, revision) != revision


def annotations(found: Object) -> dict[str, str]:
    return found["metadata"].get("annotations") or {}


@asynccontextmanager
async def reporting(api: Api, namespace: str, labels: str, **members: Any) -> AsyncIterator[dict[str, FakeLoad]]:
    """Have the bridges report their load; the operator asks again after a while. By the names of their pods."""
    async with AsyncExitStack() as stack:
        reports = {}
        for pod in await api.list("Pod", namespace, labelSelector=labels):
            fake = FakeLoad({**load.BRIDGE, **members}).listen_on(pod["status"]["podIP"], PORTS["bridge"])
            reports[pod["metadata"]["name"]] = await stack.enter_async_context(fake)
        yield reports


async def test_a_part_that_runs_elsewhere_is_wired_in(api: Api, namespace: str, served: Object) -> None:
    assert served
    async with FakeSpeechWhisper() as whisper:
        await change(api, namespace, {"whisper": {"url": whisper.url}})
        config = await api.get("ConfigMap", namespace, "p-bridge")
        assert config["data"]["WHISPER_URL"] == whisper.url
        left = {name for kind, name in await objects(api, namespace) if kind != "PersistentVolumeClaim"}
        assert not [name for name in left if "whisper" in name]
    await change(api, namespace, {"whisper": {"url": None}})
    assert set(await objects(api, namespace)) == PLAIN


async def test_a_part_elsewhere_that_does_not_answer_is_named(
    operator: Operator, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    assert operator
    assert kubelet
    async with FakeOllamaPod() as ollama:
        with refusing_url() as nobody:
            spec = {"whisper": {"url": nobody}, "ollama": {"url": ollama.url, "models": [{"name": "llama3"}]}}
            await api.create(pipeline(namespace, **spec))
            await api.until(
                "SpeechPipeline", namespace, "p", says("WhisperAvailable", "False", "ExternalUnreachable", nobody)
            )
            await api.until("SpeechPipeline", namespace, "p", says("ModelsReady", "False", "llama3"))


async def test_pipelines_of_one_name_in_two_namespaces_share_nothing(
    api: Api, namespace: str, served: Object, operator: Operator
) -> None:
    assert operator
    other = f"{namespace}-b"
    await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    try:
        await api.create(pipeline(other))
        await api.until("Deployment", other, "p-bridge", lambda found: found)
        await api.delete("SpeechPipeline", other, "p")
        await api.until_gone("Deployment", other, "p-bridge")
        assert set(await objects(api, namespace)) == PLAIN
        assert (await api.get("SpeechPipeline", namespace, "p"))["status"] == served["status"]
    finally:
        await api.delete("Namespace", None, other)
