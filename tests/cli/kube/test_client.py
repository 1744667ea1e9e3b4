"""The client of the Kubernetes API, and the choice of cluster and namespace."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cli.stand_ins import StandInApi
from speechcli.errors import ClusterError
from speechcli.kube import configuration
from speechcli.kube.client import ApiError, KubeClient
from speechcli.kube.configuration import ClusterOptions
from speechcli.kube.pipelines import choose_pod, pipeline
from speechcli.kube.resources import DEPLOYMENTS, NODES, PIPELINES, PODS

pytestmark = pytest.mark.unit


@pytest.fixture
async def server() -> AsyncIterator[StandInApi]:
    async with StandInApi() as running:
        yield running


@pytest.fixture
async def client(server: StandInApi, tmp_path: Path) -> AsyncIterator[KubeClient]:
    access = await configuration.load(ClusterOptions(server.kubeconfig(tmp_path)))
    async with KubeClient(access) as opened:
        yield opened


async def test_the_namespace_is_that_of_the_context_unless_given(server: StandInApi, tmp_path: Path) -> None:
    path = server.kubeconfig(tmp_path, namespace="team-b")

    assert (await configuration.load(ClusterOptions(path))).namespace == "team-b"
    assert (await configuration.load(ClusterOptions(path, namespace="mine"))).namespace == "mine"


async def test_a_context_can_be_chosen(server: StandInApi, tmp_path: Path) -> None:
    chosen = ClusterOptions(server.kubeconfig(tmp_path), "nowhere")

    assert (await configuration.load(chosen)).configuration.host == "http://127.0.0.1:1"
    assert chosen.kubectl == ("--kubeconfig", str(tmp_path / "kubeconfig"), "--context", "nowhere")


async def test_an_unknown_context_or_file_says_what_to_do(server: StandInApi, tmp_path: Path) -> None:
    for chosen in (ClusterOptions(server.kubeconfig(tmp_path), "gone"), ClusterOptions(tmp_path / "none")):
        with pytest.raises(ClusterError, match="no usable kubeconfig") as raised:
            await configuration.load(chosen)
        assert "--context" in raised.value.advice
    assert raised.value.message.endswith("none does not exist")


async def test_a_list_has_all_pages_and_the_credentials_are_sent(server: StandInApi, client: KubeClient) -> None:
    server.lists["/api/v1/namespaces/team-a/pods"] = [{"number": number} for number in range(5)]

    found = await client.list(PODS, "team-a", labels="app=x")

    assert [one["number"] for one in found] == [0, 1, 2, 3, 4]
    assert server.requests[0].headers["Authorization"] == "Bearer secret"
    assert all(request.query["labelSelector"] == "app=x" for request in server.requests)


async def test_a_refusal_has_the_servers_words_and_advice(server: StandInApi, client: KubeClient) -> None:
    server.refused.add("/api/v1/nodes")

    with pytest.raises(ApiError, match="/api/v1/nodes is forbidden") as raised:
        await client.list(NODES)

    assert raised.value.status == 403
    assert "administrator" in raised.value.advice


async def test_an_api_server_that_does_not_respond_is_named(server: StandInApi, tmp_path: Path) -> None:
    access = await configuration.load(ClusterOptions(server.kubeconfig(tmp_path), "nowhere"))

    async with KubeClient(access) as client:
        with pytest.raises(ApiError, match=r"http://127\.0\.0\.1:1 does not respond"):
            await client.list(PODS)


async def test_a_watch_yields_changes_without_bookmarks(server: StandInApi, client: KubeClient) -> None:
    server.watched = [
        {"type": "ADDED", "object": {"n": 1}},
        {"type": "BOOKMARK", "object": {}},
        {"type": "MODIFIED", "object": {"n": 2}},
    ]

    seen = [event async for event in client.watch(PIPELINES, "team-a", "calls")]

    assert seen == [("ADDED", {"n": 1}), ("MODIFIED", {"n": 2})]
    assert server.requests[0].query["fieldSelector"] == "metadata.name=calls"


async def test_a_missing_pipeline_lists_those_that_exist(server: StandInApi, client: KubeClient) -> None:
    server.lists[PIPELINES.path("team-a")] = [{"metadata": {"name": "support"}}]

    with pytest.raises(ClusterError, match="no pipeline calls in namespace team-a; it has support"):
        await pipeline(client, "calls")


async def test_a_cluster_without_the_crd_says_so(client: KubeClient) -> None:
    with pytest.raises(ClusterError, match="CRD is not installed") as raised:
        await pipeline(client, "calls")

    assert "install the chart" in raised.value.advice


def test_paths_are_those_of_the_api() -> None:
    assert PODS.path("team-a", "x") == "/api/v1/namespaces/team-a/pods/x"
    assert DEPLOYMENTS.path() == "/apis/apps/v1/deployments"
    assert (PODS.full_name, DEPLOYMENTS.full_name) == ("pods", "deployments.apps")


def bridge_pod(name: str, phase: str = "Running", *, ready: bool = True, deleted: bool = False) -> dict[str, object]:
    meta = {"name": name} | ({"deletionTimestamp": "2026-11-29T20:00:00Z"} if deleted else {})
    return {"metadata": meta, "status": {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]}}


def test_a_ready_pod_is_preferred_and_a_terminating_one_left_alone() -> None:
    pods = [bridge_pod("starting", ready=False), bridge_pod("leaving", deleted=True), bridge_pod("good")]

    assert choose_pod(pods) == "good"
    assert choose_pod(pods[:2]) == "starting"
    assert choose_pod([bridge_pod("new", "Pending", ready=False)]) is None
