"""What is read from the cluster, and what a refusal of one kind leaves of the others."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cli.doctor.cases import node, pod
from cli.stand_ins import StandInApi
from speechcli.doctor.facts import Readiness, VolumeUse
from speechcli.doctor.gather import gather
from speechcli.kube import configuration
from speechcli.kube.client import KubeClient
from speechcli.kube.configuration import ClusterOptions
from speechcli.kube.resources import NODES, PIPELINES, PODS, SECRETS

pytestmark = pytest.mark.unit

SUMMARY = {
    "pods": [
        {
            "volume": [
                {"name": "tmp", "usedBytes": 1, "capacityBytes": 2},
                {"pvcRef": {"name": "models", "namespace": "team-a"}, "usedBytes": 5, "capacityBytes": 10},
                {"pvcRef": {"name": "models", "namespace": "other"}, "usedBytes": 9, "capacityBytes": 10},
            ]
        }
    ]
}


@pytest.fixture
async def server() -> AsyncIterator[StandInApi]:
    async with StandInApi() as running:
        ingress = {"host": "127.0.0.1", "tlsSecretName": "cert", "port": 1}
        running.objects = {
            PIPELINES.path("team-a", "calls"): {
                "metadata": {"name": "calls", "namespace": "team-a"},
                "spec": {"bridge": {"ingress": ingress}},
            },
            SECRETS.path("team-a", "cert"): {"metadata": {"name": "cert"}, "type": "kubernetes.io/tls"},
            f"{NODES.path(name='n1')}/proxy/stats/summary": SUMMARY,
        }
        running.lists = {PODS.path("team-a"): [pod()], PODS.path(): [pod(), pod("other", "")], NODES.path(): [node()]}
        yield running


@pytest.fixture
async def client(server: StandInApi, tmp_path: Path) -> AsyncIterator[KubeClient]:
    async with KubeClient(await configuration.load(ClusterOptions(server.kubeconfig(tmp_path)))) as opened:
        yield opened


async def ready() -> Readiness:
    return Readiness(200, "{}")


async def test_objects_of_the_pipeline_and_of_the_cluster_are_read(client: KubeClient) -> None:
    found = await gather(client, "calls", ready())

    assert len(found.pods.items) == 1
    assert len(found.all_pods.items) == 2
    assert found.tls_secret.items[0]["type"] == "kubernetes.io/tls"
    assert found.readiness == Readiness(200, "{}")


async def test_the_kubelets_say_how_full_the_volumes_of_the_namespace_are(client: KubeClient) -> None:
    assert (await gather(client, "calls", ready())).volumes == {"models": VolumeUse(5, 10)}


async def test_a_host_with_tls_is_resolved_and_shaken_hands_with(client: KubeClient) -> None:
    found = await gather(client, "calls", ready())

    assert found.resolved is not None
    assert found.resolved.addresses == ("127.0.0.1",)
    assert found.handshake is not None
    assert found.handshake.error


async def test_a_refusal_of_one_kind_leaves_the_others(server: StandInApi, client: KubeClient) -> None:
    server.refused |= {NODES.path(), SECRETS.path("team-a", "cert"), f"{NODES.path(name='n1')}/proxy/stats/summary"}

    found = await gather(client, "calls", ready())

    assert "forbidden" in found.nodes.refused
    assert "forbidden" in found.tls_secret.refused
    assert found.volumes == {}
    assert len(found.pods.items) == 1


async def test_permissions_are_asked_for_the_namespace_and_for_the_cluster(
    server: StandInApi, client: KubeClient
) -> None:
    server.allowed = False

    found = {one.resource: one for one in (await gather(client, "calls", ready())).permissions}

    assert found["pods/portforward"].verb == "create"
    assert found["pods/portforward"].allowed is False
    assert found["nodes"].cluster_wide
