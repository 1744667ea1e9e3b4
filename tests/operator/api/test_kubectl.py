"""What a user sees of a pipeline with kubectl."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from cluster.api import Api, Object
from cluster.control_plane import ControlPlane
from cluster.pipelines import pipeline
from speechlocal.cluster import tools

pytestmark = pytest.mark.cluster

Kubectl = Callable[..., Awaitable[str]]
STATUS = {
    "url": "http://speech.example.com",
    "modelsSummary": "1/1",
    "whisper": {"desired": 1, "ready": 1, "summary": "1/1"},
    "ollama": {"desired": 2, "ready": 1, "summary": "1/2"},
    "bridge": {
        "desired": 2,
        "replicas": 2,
        "ready": 2,
        "summary": "2/2",
        "selector": "app.kubernetes.io/instance=calls",
    },
    "conditions": [
        {
            "type": "Ready",
            "status": "False",
            "reason": "OllamaUnavailable",
            "message": "Ollama: 1 of 2 replicas is ready",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ],
}


@pytest.fixture
def kubectl(control_plane: ControlPlane, crd: Object, namespace: str, tmp_path: Path) -> Kubectl:  # noqa: ARG001 - it is in force
    """kubectl, of the test's namespace; where it cannot be had: see `cluster.plugin`."""
    program = tools.find("kubectl")
    if program is None:
        why = "kubectl is not on this machine; `make test` builds it"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    common = (f"--kubeconfig={control_plane.kubeconfig()}", f"--cache-dir={tmp_path}", f"--namespace={namespace}")

    async def run(*arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            program, *common, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        return said.decode()

    return run


@pytest.fixture
async def calls(api: Api, crd: Object, namespace: str) -> Object:  # noqa: ARG001 - it is in force
    """A pipeline with a status."""
    await api.create(pipeline(), namespace)
    return await api.patch("SpeechPipeline", namespace, "calls", {"status": STATUS}, sub="status")


async def test_get_tells_the_story(kubectl: Kubectl, calls: Object) -> None:
    head, line = (await kubectl("get", "sp")).splitlines()

    assert head.split() == ["NAME", "READY", "WHISPER", "OLLAMA", "MODELS", "URL", "AGE"]
    assert line.split()[:-1] == ["calls", "False", "1/1", "1/2", "1/1", "http://speech.example.com"]
    assert calls["status"] == STATUS, "nothing of it is pruned"


@pytest.mark.usefixtures("calls")
async def test_get_wide_says_what_is_missing(kubectl: Kubectl) -> None:
    assert "Ollama: 1 of 2 replicas is ready" in await kubectl("get", "sp", "calls", "--output=wide")


@pytest.mark.usefixtures("calls")
async def test_get_all_has_the_pipelines(kubectl: Kubectl) -> None:
    assert "speechpipeline.speechpipeline.dev/calls" in await kubectl("get", "all")


@pytest.mark.usefixtures("calls")
async def test_scale_sets_the_bridges(kubectl: Kubectl, api: Api, namespace: str) -> None:
    await kubectl("scale", "sp/calls", "--replicas=3", "--current-replicas=2")

    assert (await api.get("SpeechPipeline", namespace, "calls"))["spec"]["bridge"]["replicas"] == 3


@pytest.mark.usefixtures("calls")
async def test_a_scaler_finds_replicas_and_selector(kubectl: Kubectl, namespace: str) -> None:
    where = f"/apis/speechpipeline.dev/v1alpha1/namespaces/{namespace}/speechpipelines/calls/scale"

    scale = json.loads(await kubectl("get", "--raw", where))

    assert scale["spec"] == {"replicas": 2}
    assert scale["status"] == {"replicas": 2, "selector": "app.kubernetes.io/instance=calls"}


async def test_explain_describes_the_fields(kubectl: Kubectl) -> None:
    said = " ".join((await kubectl("format_validation_error", "sp.spec.whisper.scaling")).split())

    assert "Audio that may wait per replica before another one starts, as its length. Default: 60s." in said


async def test_an_unknown_field_is_refused_by_apply(kubectl: Kubectl, tmp_path: Path) -> None:
    file = tmp_path / "pipeline.json"
    file.write_text(json.dumps(pipeline({"replicas": 3})))

    with pytest.raises(AssertionError, match=r'unknown field "spec\.replicas"'):
        await kubectl("apply", "-f", str(file))
