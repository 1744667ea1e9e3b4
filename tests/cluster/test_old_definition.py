"""A pipeline that the operator cannot read, since the cluster's CRD is older than its rules."""

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cluster.api import Api, ApiError
from cluster.expected import condition, objects, pipeline, ready, says
from cluster.operator_process import Operator

pytestmark = pytest.mark.cluster

POLL_S = 0.05


@pytest.fixture
async def old_definition(api: Api, crd: dict[str, Any], namespace: str) -> AsyncIterator[None]:
    """The CRD with a schema that lets everything through, for as long as the test lasts."""
    lax = copy.deepcopy(crd)
    schema = lax["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "nullable": True}
    schema.pop("required", None)
    schema.pop("x-kubernetes-validations", None)
    lax["metadata"]["resourceVersion"] = await version(api, lax)
    await api.replace(lax)
    await let_through(api, namespace)
    yield
    await api.replace({**crd, "metadata": {**crd["metadata"], "resourceVersion": await version(api, crd)}})


async def version(api: Api, definition: dict[str, Any]) -> str:
    found = await api.get("CustomResourceDefinition", None, definition["metadata"]["name"])
    return str(found["metadata"]["resourceVersion"])


async def let_through(api: Api, namespace: str, within_s: float = 20.0) -> None:
    """Wait until the API server has taken the lax schema over."""
    async with asyncio.timeout(within_s):
        while True:
            with contextlib.suppress(ApiError):
                await api.create(pipeline(namespace, ollama={"models": []}), dryRun="All")
                return
            await asyncio.sleep(POLL_S)


@pytest.mark.usefixtures("old_definition", "kubelet")
async def test_a_pipeline_that_turns_bad_keeps_all_it_has(operator: Operator, api: Api, namespace: str) -> None:
    await api.create(pipeline(namespace))
    await api.until("SpeechPipeline", namespace, "p", ready)
    before = {ref: item["metadata"]["uid"] for ref, item in (await objects(api, namespace)).items()}
    await api.patch(
        "SpeechPipeline", namespace, "p", {"spec": {"ollama": {"models": []}, "bridge": {"requestTimeout": "soon"}}}
    )
    found = await api.until("SpeechPipeline", namespace, "p", says("Accepted", "False", "spec.ollama.models"))
    generation = found["metadata"]["generation"]
    assert condition(found, "Accepted")["observedGeneration"] == generation
    kept = condition(found, "Ready")
    assert (kept["status"], kept["observedGeneration"]) == ("True", generation - 1), "what runs goes on"
    await api.create(pipeline(namespace, "good"))
    await api.until("SpeechPipeline", namespace, "good", ready)
    after = {ref: item["metadata"]["uid"] for ref, item in (await objects(api, namespace)).items()}
    assert after == before
    await api.patch("SpeechPipeline", namespace, "p", pipeline(namespace, bridge={"requestTimeout": None}))
    await api.until("SpeechPipeline", namespace, "p", ready)
    assert operator


@pytest.mark.usefixtures("old_definition", "kubelet", "operator")
@pytest.mark.parametrize(
    "spec",
    [
        {},
        None,
        {"ollama": "llama3"},
        {"ollama": {"models": [{"name": "llama3"}]}, "whisper": {"cache": {"size": "big"}}},
        {"ollama": {"models": [{"name": "llama3"}]}, "bridge": {"requestTimeout": "soon"}},
    ],
)
async def test_a_pipeline_that_was_never_good_makes_nothing(api: Api, namespace: str, spec: Any) -> None:
    await api.create({**pipeline(namespace), "spec": spec})
    found = await api.until("SpeechPipeline", namespace, "p", says("Accepted", "False", "spec"))
    assert "Traceback" not in condition(found, "Accepted")["message"]
    assert not await objects(api, namespace)
