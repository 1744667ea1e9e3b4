"""Alerts of the chart fire when something is really wrong on a cluster, and end when it is put right.

Prometheus loads the very rule files of the chart, but with each window and each `for` divided by FACTOR
(`charts.rule_files.faster`): 15 minutes become half a minute.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from charts import rule_files
from cluster.api import Api
from e2e.asking import client, form
from e2e.prometheus import scraping
from e2e.service import MODEL, READY_WITHIN_S, REGISTRY, Deployed, Service
from prometheus import Prometheus
from speechlocal.cluster import platform

pytestmark = pytest.mark.e2e

FACTOR = 30
WITHIN_S = 180.0
"""An alert is pending for a minute at most; the rest is for a slow machine."""
OPERATOR = f"{platform.RELEASE}-operator"
ELSEWHERE = {
    "whisper": {"url": "http://whisper.example.com:9000"},
    "ollama": {"url": "http://ollama.example.com:11434"},
}
NO_ROOM = {"replicas": 1, "maxConcurrentRequests": 1, "env": [{"name": "MAX_QUEUED_REQUESTS", "value": "0"}]}
CALLERS = 6
PAUSE_S = 0.2


@pytest.fixture
async def prometheus(deployed: Deployed, tmp_path: Path) -> AsyncIterator[Prometheus]:
    folder = tmp_path / "rules"
    folder.mkdir()
    for file in rule_files.files():
        (folder / file.name).write_text(rule_files.faster(file.read_text(), FACTOR))
    async with scraping(deployed.cluster, tmp_path, rules=[folder / "*.yaml"]) as started:
        await started.until("speechoperator_leader == 1", bool, WITHIN_S)
        yield started


def firing(name: str, **labels: str) -> str:
    """The expression that has a sample while the alert fires."""
    selected = {"alertname": name, "alertstate": "firing", **labels}
    return f"ALERTS{{{', '.join(f'{label}={json.dumps(value)}' for label, value in selected.items())}}}"


async def until_firing(prometheus: Prometheus, *names: str, **labels: str) -> None:
    for name in names:
        await prometheus.until(firing(name, **labels), bool, WITHIN_S)


async def until_ended(prometheus: Prometheus, *names: str, **labels: str) -> None:
    for name in names:
        await prometheus.until(firing(name, **labels), lambda samples: not samples, WITHIN_S)


@pytest.fixture
def unknown(cluster_api: Api, deployed: Deployed, room: str) -> Service:
    """A pipeline that is still to be applied, with a name of its own."""
    return Service(cluster_api, deployed.cluster, room, room.replace("room", "unknown"))


@pytest.fixture
def crowded(cluster_api: Api, deployed: Deployed, other_room: str) -> Service:
    """A pipeline that is still to be applied."""
    return Service(cluster_api, deployed.cluster, other_room, "crowded")


async def test_alerts_of_pipelines(prometheus: Prometheus, unknown: Service, crowded: Service, speech: Service) -> None:
    """Three pipelines have their faults at the same time, since nearly all of the time is waiting."""
    async with asyncio.TaskGroup() as faults:
        faults.create_task(a_model_that_cannot_be_downloaded(prometheus, unknown))
        faults.create_task(a_quota_without_room_for_a_pod(prometheus, crowded))
        faults.create_task(more_callers_than_the_bridge_has_room_for(prometheus, speech))


async def a_model_that_cannot_be_downloaded(prometheus: Prometheus, service: Service) -> None:
    alerts = ("SpeechModelPullFailing", "SpeechPipelineNotReady", "SpeechPodWithoutModels")
    of_it = {"namespace": service.namespace, "pipeline": service.name}

    await service.apply(ollama={"models": [{"name": MODEL, "source": f"{REGISTRY}:nobody", "insecure": True}]})
    await until_firing(prometheus, *alerts, **of_it)

    await service.apply()
    await service.settle(READY_WITHIN_S)
    await until_ended(prometheus, *alerts, **of_it)


async def a_quota_without_room_for_a_pod(prometheus: Prometheus, service: Service) -> None:
    api, room = service.api, service.namespace
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    await api.create(quota, room)
    await api.until("ResourceQuota", room, "none", lambda body: body.get("status", {}).get("hard"))
    of_it = {"namespace": room, "pipeline": service.name, "type": "BridgeAvailable", "reason": "QuotaExceeded"}

    await service.apply(**ELSEWHERE)
    await until_firing(prometheus, "SpeechScalingBlocked", **of_it)

    await api.delete("ResourceQuota", room, "none")
    await until_ended(prometheus, "SpeechScalingBlocked", **of_it)


async def more_callers_than_the_bridge_has_room_for(prometheus: Prometheus, service: Service) -> None:
    alerts = ("SpeechRequestsRefused", "SpeechRequestsFailing")
    of_it = {"namespace": service.namespace, "pipeline": service.name}
    before = (await service.settle())["spec"]["bridge"]
    try:
        await service.edit(bridge=NO_ROOM)

        async with callers(service):
            await until_firing(prometheus, *alerts, **of_it)
            await until_firing(prometheus, "SpeechRequestsFailing", severity="critical", **of_it)
            critical = await prometheus.alerts(alertname="SpeechRequestsFailing", severity="critical", **of_it)
            assert ["failed within 1 h" in one["annotations"]["description"] for one in critical] == [True]

        await until_ended(prometheus, *alerts, **of_it)
    finally:
        await service.edit(bridge={name: before.get(name) for name in NO_ROOM})


@contextlib.asynccontextmanager
async def callers(service: Service) -> AsyncIterator[None]:
    """Have recordings transcribed again and again, whatever is answered, until the block is left."""

    async def call(session: aiohttp.ClientSession) -> None:
        while True:
            data = form(model="whisper-1")
            async with session.post(f"{service.cluster.ingress}/v1/audio/transcriptions", data=data) as answer:
                await answer.read()
            await asyncio.sleep(PAUSE_S)

    async with client(service.host) as session:
        calling = [asyncio.create_task(call(session)) for _ in range(CALLERS)]
        try:
            yield
        finally:
            for task in calling:
                task.cancel()
            ended = await asyncio.gather(*calling, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended


async def test_an_operator_that_is_gone(prometheus: Prometheus, cluster_api: Api) -> None:
    replicas = (await cluster_api.get("Deployment", platform.NAMESPACE, OPERATOR))["spec"]["replicas"]
    try:
        await scale_operator(cluster_api, 0)
        await until_firing(prometheus, "SpeechOperatorWithoutLeader")
    finally:
        await scale_operator(cluster_api, replicas)

    await until_ended(prometheus, "SpeechOperatorWithoutLeader")


async def scale_operator(api: Api, replicas: int) -> None:
    await api.patch("Deployment", platform.NAMESPACE, OPERATOR, {"spec": {"replicas": replicas}})
