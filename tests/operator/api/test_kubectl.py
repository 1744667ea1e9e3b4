"""A pipeline as seen through kubectl."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from cluster.api import Api, Object
from cluster.control_plane import ControlPlane
from cluster.pipelines import pipeline
from speechlocal import programs

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
def kubectl(control_plane: ControlPlane, crd: Object, namespace: str, tmp_path: Path) -> Kubectl:  # noqa: ARG001 - installed
    """kubectl in the namespace of the test; skips without it, or fails in CI."""
    program = programs.find("kubectl")
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
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        return output.decode()

    return run


@pytest.fixture
async def calls(api: Api, crd: Object, namespace: str) -> Object:  # noqa: ARG001 - installed
    """A pipeline with a status."""
    await api.create(pipeline(), namespace)
    return await api.patch("SpeechPipeline", namespace, "calls", {"status": STATUS}, sub="status")


async def test_get_prints_the_state_of_all_components(kubectl: Kubectl, calls: Object) -> None:
    head, line = (await kubectl("get", "sp")).splitlines()

    assert head.split() == ["NAME", "READY", "WHISPER", "OLLAMA", "MODELS", "URL", "AGE"]
    assert line.split()[:-1] == ["calls", "False", "1/1", "1/2", "1/1", "http://speech.example.com"]
    assert calls["status"] == STATUS, "the CRD prunes no field"


@pytest.mark.usefixtures("calls")
async def test_get_prints_the_progress_of_downloads(kubectl: Kubectl, api: Api, namespace: str) -> None:
    progress = {"whisper": {"summary": "0/1 43% 16MB/s 1m30s"}, "modelsSummary": "0/1 llama3 12% 9.0MB/s 3m30s"}
    await api.patch("SpeechPipeline", namespace, "calls", {"status": progress}, sub="status")

    _, line = (await kubectl("get", "sp")).splitlines()

    assert "0/1 43% 16MB/s 1m30s   1/2      0/1 llama3 12% 9.0MB/s 3m30s" in line


@pytest.mark.usefixtures("calls")
async def test_get_wide_prints_the_message_of_ready(kubectl: Kubectl) -> None:
    assert "Ollama: 1 of 2 replicas is ready" in await kubectl("get", "sp", "calls", "--output=wide")


@pytest.mark.usefixtures("calls")
async def test_get_all_includes_pipelines(kubectl: Kubectl) -> None:
    assert "speechpipeline.speechpipeline.dev/calls" in await kubectl("get", "all")


@pytest.mark.usefixtures("calls")
async def test_scale_sets_the_replicas_of_the_bridge(kubectl: Kubectl, api: Api, namespace: str) -> None:
    await kubectl("scale", "sp/calls", "--replicas=3", "--current-replicas=2")

    assert (await api.get("SpeechPipeline", namespace, "calls"))["spec"]["bridge"]["replicas"] == 3


@pytest.mark.usefixtures("calls")
async def test_the_scale_subresource_has_replicas_and_selector(kubectl: Kubectl, namespace: str) -> None:
    path = f"/apis/speechpipeline.dev/v1alpha1/namespaces/{namespace}/speechpipelines/calls/scale"

    scale = json.loads(await kubectl("get", "--raw", path))

    assert scale["spec"] == {"replicas": 2}
    assert scale["status"] == {"replicas": 2, "selector": "app.kubernetes.io/instance=calls"}


async def test_explain_describes_the_fields(kubectl: Kubectl) -> None:
    output = " ".join((await kubectl("explain", "sp.spec.whisper.scaling")).split())

    assert "Time within which the audio that waits is to be transcribed. If unset, the measured startup time" in output
    assert "after which the component is scaled to zero, if minReplicas is 0. Default: 5m." in output


async def test_apply_rejects_an_unknown_field(kubectl: Kubectl, tmp_path: Path) -> None:
    file = tmp_path / "pipeline.json"
    file.write_text(json.dumps(pipeline({"replicas": 3})))

    with pytest.raises(AssertionError, match=r'unknown field "spec\.replicas"'):
        await kubectl("apply", "-f", str(file))
