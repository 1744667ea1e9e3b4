"""Replicas follow the load: who owns the field, to zero and back, modes, suspension. The loads come from a file."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.api import Api, Object
from cluster.expected import condition, pipeline, ready
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator, Stage

pytestmark = pytest.mark.cluster

SCALER = "speechpipeline-scaler"
NO_WINDOW = {"scaleDown": {"stabilizationWindowSeconds": 0}}
RANGE = {"minReplicas": 1, "maxReplicas": 3, "behavior": NO_WINDOW}
SHARED = {"ephemeral": True}
NOTHING = {"held": 0.0, "waiting": 0.0, "working": 0.0, "busy": 0.0}
IDLE = {**NOTHING, "audio_seconds_waiting": 0.0, "audio_seconds_working": 0.0, "speed": 10.0}
BACKLOG = {**IDLE, "waiting": 60.0, "audio_seconds_waiting": 6000.0}
HELD = {**IDLE, "held": 1.0, "audio_seconds_waiting": 5.0}


@dataclass
class Loads:
    """What the operator takes for the loads of the pipeline `p`."""

    api: Api
    namespace: str
    file: Path
    reports: int = 0

    async def report(self, whisper: Object, pods: dict[str, Any] | None = None) -> None:
        """Report a load, and let the operator look at the pipeline."""
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps({"whisper": whisper, "ollama": NOTHING, "pods": pods or {}}), encoding="utf-8")
        new.replace(self.file)
        self.reports += 1
        nudge = {"metadata": {"annotations": {"nudge": str(self.reports)}}}
        await self.api.patch("SpeechPipeline", self.namespace, "p", nudge)

    async def until_replicas(self, number: int, component: str = "whisper") -> Object:
        """Wait until the Deployment has so many."""
        return await self.api.until(
            "Deployment", self.namespace, f"p-{component}", lambda found: found["spec"]["replicas"] == number
        )

    async def until_running(self, number: int) -> list[Object]:
        """Wait until as many pods of Whisper are ready, and no other exists; the pods."""
        await self.api.until(
            "Deployment",
            self.namespace,
            "p-whisper",
            lambda found: found["status"].get("readyReplicas", 0) == found["status"].get("replicas", 0) == number,
        )
        found = await self.api.list(
            "Pod", self.namespace, labelSelector="app.kubernetes.io/component=whisper,app.kubernetes.io/instance=p"
        )
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


@pytest.fixture
async def loads(stage: Stage, api: Api, namespace: str, kubelet: Kubelet, tmp_path: Path) -> AsyncIterator[Loads]:
    assert kubelet
    file = tmp_path / "loads.json"
    tests = str(Path(__file__).parents[1])
    async with Operator(stage, module="cluster.operator_with_loads", PYTHONPATH=tests, LOADS=str(file)):
        yield Loads(api, namespace, file)


async def create(api: Api, namespace: str, bounds: Object, **spec: Any) -> None:
    whisper = {"cache": SHARED, "scaling": bounds}
    await api.create(pipeline(namespace, whisper=whisper, **spec))
    await api.until("SpeechPipeline", namespace, "p", ready)


def owners(deployment: Object) -> dict[str, Any]:
    """Who owns the number of replicas, and what else of the Deployment."""
    entries = deployment["metadata"]["managedFields"]
    return {
        entry["manager"]: entry["fieldsV1"] for entry in entries if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
    }


async def test_the_scaler_owns_the_replicas_and_nothing_else(loads: Loads, api: Api, namespace: str) -> None:
    await create(api, namespace, RANGE)
    await loads.report(BACKLOG)
    scaled = await loads.until_replicas(3)
    assert owners(scaled) == {SCALER: {"f:spec": {"f:replicas": {}}}}

    env = {"spec": {"whisper": {"env": [{"name": "A", "value": "b"}]}}}
    await api.patch("SpeechPipeline", namespace, "p", env)
    rolled = await api.until("Deployment", namespace, "p-whisper", lambda found: '"A"' in json.dumps(found["spec"]))
    assert rolled["spec"]["replicas"] == 3
    assert owners(rolled) == {SCALER: {"f:spec": {"f:replicas": {}}}}

    status = (await api.get("SpeechPipeline", namespace, "p"))["status"]
    last = status["scalingHistory"][-1]
    assert (last["component"], last["from"], last["to"], last["ok"]) == ("whisper", 1, 3, True)
    events = await api.list("Event", namespace)
    assert any(event["reason"] == "ScaledUp" and f"[{last['id']}]" in event["message"] for event in events)


async def test_idle_pods_are_deleted_first(loads: Loads, api: Api, namespace: str) -> None:
    await create(api, namespace, RANGE)
    await loads.report(BACKLOG)
    names = [pod["metadata"]["name"] for pod in await loads.until_running(3)]
    working = {"waiting": 0.0, "working": 1.0, "audio_seconds_working": 30.0}
    reports = {name: {"waiting": 0.0, "working": 0.0} for name in names} | {names[1]: working}

    await loads.report(IDLE, reports)

    [kept] = await loads.until_running(1)
    assert kept["metadata"]["name"] == names[1]


async def test_to_zero_and_back(loads: Loads, api: Api, namespace: str) -> None:
    await create(api, namespace, {"minReplicas": 0, "maxReplicas": 2, "idlePeriod": "1s"})
    await loads.report(IDLE)
    await loads.until_replicas(0)
    idle = await api.until(
        "SpeechPipeline", namespace, "p", lambda found: condition(found, "Ready").get("reason") == "Idle"
    )
    assert condition(idle, "Ready")["status"] == "True"
    assert condition(idle, "WhisperAvailable")["reason"] == "ScaledToZero"
    assert condition(idle, "ModelsReady")["status"] == "True"

    await loads.report(HELD)
    await loads.until_running(1)
    await api.until("SpeechPipeline", namespace, "p", lambda found: condition(found, "Ready").get("reason") == "Ready")


async def test_with_mode_off_another_scaler_owns_the_replicas(loads: Loads, api: Api, namespace: str) -> None:
    await create(api, namespace, RANGE, scaling={"mode": "Off"})
    await loads.report(BACKLOG)
    await api.patch("Deployment", namespace, "p-whisper", {"spec": {"replicas": 2}}, sub="scale", fieldManager="keda")
    env = {"spec": {"whisper": {"env": [{"name": "A", "value": "b"}]}}}
    await api.patch("SpeechPipeline", namespace, "p", env)

    rolled = await api.until("Deployment", namespace, "p-whisper", lambda found: '"A"' in json.dumps(found["spec"]))

    assert rolled["spec"]["replicas"] == 2
    assert list(owners(rolled)) == ["keda"]
    found = await api.get("SpeechPipeline", namespace, "p")
    assert condition(found, "ScalingActive")["reason"] == "Off"


@pytest.mark.parametrize("mode", ["Auto", "Off"])
async def test_a_suspended_pipeline_gets_back_what_it_had(loads: Loads, api: Api, namespace: str, mode: str) -> None:
    await create(api, namespace, RANGE, scaling={"mode": mode})
    await loads.report(BACKLOG)
    if mode == "Off":
        await api.patch(
            "Deployment", namespace, "p-whisper", {"spec": {"replicas": 3}}, sub="scale", fieldManager="keda"
        )
    await loads.until_replicas(3)
    await api.patch("SpeechPipeline", namespace, "p", {"spec": {"suspend": True}})
    await loads.until_replicas(0)
    await loads.until_replicas(0, "ollama")
    loads.file.unlink()

    await api.patch("SpeechPipeline", namespace, "p", {"spec": {"suspend": False}})

    await loads.until_replicas(3)
    await loads.until_replicas(1, "ollama")
    await api.until("SpeechPipeline", namespace, "p", ready)
