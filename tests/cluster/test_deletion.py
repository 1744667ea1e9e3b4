"""What is left of a pipeline that was deleted: nothing, or the claims it was told to leave."""

import pytest

from cluster.api import Api
from cluster.expected import WITH_ITS_CLAIMS, objects, pipeline, ready
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator, Stage

pytestmark = pytest.mark.cluster


async def test_with_the_operator_down_deletion_leaves_nothing(
    stage: Stage, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    assert kubelet
    async with Operator(stage):
        await api.create(pipeline(namespace, **WITH_ITS_CLAIMS))
        await api.until("SpeechPipeline", namespace, "p", ready)
    await api.delete("SpeechPipeline", namespace, "p")
    await api.until_gone("SpeechPipeline", namespace, "p")
    for kind, name in await objects(api, namespace):
        await api.until_gone(kind, namespace, name)
    assert not await api.list("Pod", namespace)


async def test_a_claim_outlives_its_pipeline_unless_the_spec_says_otherwise(
    stage: Stage, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    spec = {"whisper": WITH_ITS_CLAIMS["whisper"]}
    async with Operator(stage):
        await api.create(pipeline(namespace, **spec))
        await api.until("SpeechPipeline", namespace, "p", ready)
        claim = await api.get("PersistentVolumeClaim", namespace, "p-ollama")
        await api.delete("SpeechPipeline", namespace, "p")
        await api.until_gone("Deployment", namespace, "p-ollama")
        await api.until_gone("PersistentVolumeClaim", namespace, "p-whisper")
        assert set(await objects(api, namespace)) == {("PersistentVolumeClaim", "p-ollama")}
        await api.create(pipeline(namespace, **spec))
        await api.until("SpeechPipeline", namespace, "p", ready)
        kept = await api.get("PersistentVolumeClaim", namespace, "p-ollama")
        assert kept["metadata"]["uid"] == claim["metadata"]["uid"]
    [fake] = await kubelet.ollama()
    assert not fake.pulls, "the models were on the claim already"
