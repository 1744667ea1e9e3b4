"""Whatever goes wrong between the operator and the API server: the end is the same as without it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from cluster.api import Api
from cluster.expected import PLAIN, objects, pipeline, ready, says
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator, Stage
from cluster.proxy import BUSY, CONFLICT, Fault, FaultyApi, Late, LoseAnswer, LoseRequest, Refuse, Request
from cluster.waiting import until
from fakes.gates import Point
from speechoperator.watch.pod_warnings import SCALE_UPS, WARNINGS

pytestmark = pytest.mark.cluster

EVENTS = "/api/v1/events"
"""Watched in several selections."""
BROKEN = Refuse(500, "InternalError", "etcdserver: request timed out")
CUTS = (
    Refuse(503, "ServiceUnavailable", "the server is currently unable to handle the request"),
    Refuse(410, "Expired", "too old resource version: 1 (2)"),
    LoseRequest(),
)
"""How a watch is answered that is begun anew."""


@asynccontextmanager
async def behind_proxy(stage: Stage) -> AsyncIterator[tuple[FaultyApi, Operator]]:
    """An operator whose every request goes through a proxy."""
    async with FaultyApi(stage.plane) as proxy, Operator(stage, url=proxy.url) as operator:
        yield proxy, operator


def every_other_write(fault: Fault) -> Callable[[Request], Fault | None]:
    """Every write comes to grief the first time, and every second one after that."""
    count = 0

    def interfere(request: Request) -> Fault | None:
        nonlocal count
        if not request.writes or "/leases" in request.path:
            return None
        count += 1
        return fault if count % 2 else None

    return interfere


FAULTS = {
    "conflict": CONFLICT,
    "throttled": BUSY,
    "broken": BROKEN,
    "lost request": LoseRequest(),
    "lost answer": LoseAnswer(),
    "late": Late(0.1),
}


async def test_every_other_write_fails(stage: Stage, api: Api, namespace: str, kubelet: Kubelet) -> None:
    assert kubelet
    async with behind_proxy(stage) as (proxy, _):
        for number, fault in enumerate(FAULTS.values()):
            name = f"p{number}"
            proxy.interfere = every_other_write(fault)
            await api.create(pipeline(namespace, name))
            await api.until("SpeechPipeline", namespace, name, ready, within_s=60)
            # A failed write that is to be retried does not stop the service: Progressing waits for it, Ready does not.
            await api.until("SpeechPipeline", namespace, name, says("Progressing", "False"), within_s=60)
            assert {(kind, one.replace(name, "p", 1)) for kind, one in await objects(api, namespace, name)} == PLAIN
            proxy.interfere = lambda _: None
            await api.delete("SpeechPipeline", namespace, name)


async def test_what_happens_while_watches_are_cut_is_not_missed(
    stage: Stage, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    assert kubelet
    async with behind_proxy(stage) as (proxy, _):
        await api.create(pipeline(namespace))
        await api.until("SpeechPipeline", namespace, "p", ready)
        for cut in CUTS:
            await until(lambda: len(proxy.watched) > 1)
            proxy.interfere = lambda request, cut=cut: cut if request.watches else None
            before = len(proxy.requests)
            proxy.cut_watches()
            await until(lambda before=before: any(request.watches for request in proxy.requests[before:]))
            uid = (await api.get("ConfigMap", namespace, "p-bridge"))["metadata"]["uid"]
            await api.delete("ConfigMap", namespace, "p-bridge")
            proxy.interfere = lambda _: None
            await api.until(
                "ConfigMap", namespace, "p-bridge", lambda found, uid=uid: found["metadata"]["uid"] != uid, 60
            )
        await until(lambda: {request.path for request in proxy.requests if request.watches} <= set(proxy.watched))
        others = [path for path in proxy.watched if path != EVENTS]
        assert len(others) == len(set(others)), "nothing is watched twice"
        await until(lambda: proxy.watched.count(EVENTS) == len((*WARNINGS, *SCALE_UPS)))


async def test_what_happens_while_the_api_server_is_away_is_put_right(
    stage: Stage, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    assert kubelet
    async with behind_proxy(stage) as (proxy, operator):
        await api.create(pipeline(namespace))
        await api.until("SpeechPipeline", namespace, "p", ready)
        await proxy.go_away()
        await operator.until(lambda metrics: metrics["speechoperator_leader"] == 0)
        await api.delete("ConfigMap", namespace, "p-bridge")
        await api.patch("SpeechPipeline", namespace, "p", {"spec": {"bridge": {"replicas": 3}}})
        await proxy.come_back()
        await operator.until_leading()
        await api.until("ConfigMap", namespace, "p-bridge", lambda found: found)
        await api.until("SpeechPipeline", namespace, "p", ready)


async def test_api_server_and_etcd_are_restarted(stage: Stage, api: Api, namespace: str, kubelet: Kubelet) -> None:
    assert kubelet
    plane = stage.plane
    async with Operator(stage) as operator:
        await api.create(pipeline(namespace))
        await api.until("SpeechPipeline", namespace, "p", ready)
        plane.kill_etcd()
        plane.kill_api_server()
        plane.start()
        await asyncio.to_thread(plane.wait)
        await operator.until_leading()
        await api.delete("ConfigMap", namespace, "p-bridge")
        await api.until("ConfigMap", namespace, "p-bridge", lambda found: found)
        await api.patch("SpeechPipeline", namespace, "p", {"spec": {"bridge": {"replicas": 1}}})
        await api.until("SpeechPipeline", namespace, "p", ready)


async def test_a_pipeline_whose_writes_fail_holds_up_no_other(
    stage: Stage, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    assert kubelet
    async with behind_proxy(stage) as (proxy, operator):
        proxy.interfere = lambda request: BROKEN if request.writes and "/bad-" in request.path else None
        for number in range(10):  # more than there are workers
            await api.create(pipeline(namespace, f"bad-{number}"))
        await operator.until(lambda metrics: metrics["speechoperator_workqueue_retries_total"] >= 10)
        await api.create(pipeline(namespace, "good"))
        await api.until("SpeechPipeline", namespace, "good", ready)
        proxy.interfere = lambda _: None
        await api.until("SpeechPipeline", namespace, "bad-0", ready)


async def test_a_namespace_is_deleted_in_the_middle(stage: Stage, api: Api, namespace: str, kubelet: Kubelet) -> None:
    assert kubelet
    other = f"{namespace}-gone"
    await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    async with Operator(stage) as operator, Kubelet(api, other, kubelet.registry, stage.ollama_port) as pods:
        pods.prepare = lambda fake: fake.hold(Point.BEFORE_CHUNK)
        await api.create(pipeline(other))
        [fake] = await pods.ollama()
        await fake.hold(Point.BEFORE_CHUNK).reached(deadline=20)  # a pull is under way
        await api.delete("Namespace", None, other)
        await api.until_gone("Namespace", None, other, within_s=60)
        await api.create(pipeline(namespace))
        await api.until("SpeechPipeline", namespace, "p", ready)
        await operator.until(lambda metrics: metrics["speechoperator_pulls_running"] == 0)
        assert "Traceback" not in operator.log.read_text()
