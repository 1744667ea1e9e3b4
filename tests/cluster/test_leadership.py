"""Of two operators one works; the other takes its place when it ends, dies, or is cut off."""

import signal

import pytest

from cluster.api import Api
from cluster.expected import pipeline, ready
from cluster.kubelet import Kubelet
from cluster.operator_process import FAST, Operator, Stage
from cluster.proxy import FaultyApi, Request

pytestmark = pytest.mark.cluster

LEASE_S, RETRY_S = (float(FAST[name]) for name in ("LEASE_DURATION", "LEASE_RETRY_PERIOD"))
"""Duration of the Lease, and how often a standby checks it: less often on a slow machine."""
LONG = {"LEASE_DURATION": "60", "LEASE_RENEW_DEADLINE": "40"}
"""A Lease that nobody waits for in a test: who takes it over was given it."""


async def test_one_of_two_works_and_the_other_only_asks_for_the_lease(
    stage: Stage, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    assert kubelet
    async with (
        FaultyApi(stage.plane) as proxy,
        Operator(stage, "first") as first,
        Operator(stage, "second", url=proxy.url, leads=False) as second,
    ):
        await api.create(pipeline(namespace))
        await api.until("SpeechPipeline", namespace, "p", ready)
        assert not [request for request in proxy.requests if request.writes and "/leases" not in request.path]
        first.kill()
        looked = len(looks(proxy))
        await second.until_leading()
        assert 0 < len(looks(proxy)) - looked < 2 * LEASE_S / RETRY_S, "while the Lease lasted, and some more"
        await api.delete("ConfigMap", namespace, "p-bridge")
        await api.until("ConfigMap", namespace, "p-bridge", lambda found: found)


def looks(proxy: FaultyApi) -> list[Request]:
    return [request for request in proxy.requests if "/leases/" in request.path and not request.writes]


async def test_a_leader_that_is_asked_to_end_hands_the_lease_over(stage: Stage) -> None:
    async with Operator(stage, "first", **LONG) as first, Operator(stage, "second", leads=False, **LONG) as second:
        assert await first.stop(signal.SIGTERM) == 0
        await second.until_leading(within_s=15)
        assert await second.stop(signal.SIGTERM) == 0


async def test_a_leader_that_is_cut_off_stops_before_another_leads(
    stage: Stage, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    assert kubelet
    async with (
        FaultyApi(stage.plane) as proxy,
        Operator(stage, "first", url=proxy.url) as first,
        Operator(stage, "second", leads=False) as second,
    ):
        await proxy.go_away()
        await first.until(lambda metrics: metrics["speechoperator_leader"] == 0)
        await second.until_leading()
        await proxy.come_back()
        await api.create(pipeline(namespace))
        await api.until("SpeechPipeline", namespace, "p", ready)
        assert not [request for request in proxy.requests if request.writes and namespace in request.path]
