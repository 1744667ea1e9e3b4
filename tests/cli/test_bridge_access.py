"""The way to the bridge: a port-forward by kubectl, renewed when it ends."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cli.stand_ins import StandInApi, kubectl
from speechcli.bridge_access import bridge
from speechcli.errors import ClusterError
from speechcli.kube.configuration import ClusterOptions
from speechcli.kube.port_forward import port_forward
from speechcli.kube.resources import PIPELINES, PODS

pytestmark = pytest.mark.unit

FORWARDING = "Forwarding from 127.0.0.1:4711 -> 8080"
READY = {
    "metadata": {"name": "calls-bridge-1"},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


@pytest.fixture
async def server() -> AsyncIterator[StandInApi]:
    async with StandInApi() as running:
        running.lists[PODS.path("team-a")] = [READY]
        yield running


async def test_kubectl_forwards_a_free_port_of_this_machine_to_the_pod(server: StandInApi, tmp_path: Path) -> None:
    log = kubectl(tmp_path, FORWARDING)
    chosen = ClusterOptions(server.kubeconfig(tmp_path), "here")

    async with bridge(chosen, "calls") as address:
        assert await address() == "http://127.0.0.1:4711"

    (arguments,) = log.read_text().splitlines()
    assert arguments == (
        f"--kubeconfig {tmp_path}/kubeconfig --context here port-forward --address 127.0.0.1 --namespace team-a "
        "pod/calls-bridge-1 :8080"
    )
    assert "component=bridge" in server.requests[0].query["labelSelector"]


async def test_a_port_forward_that_ended_is_renewed(server: StandInApi, tmp_path: Path) -> None:
    until = tmp_path / "pod"
    log = kubectl(tmp_path, FORWARDING, while_there=until)
    until.touch()

    async with bridge(ClusterOptions(server.kubeconfig(tmp_path)), "calls") as address:
        kubectl(tmp_path, FORWARDING.replace("4711", "4712"))
        until.unlink()
        async with asyncio.timeout(10):
            while await address() != "http://127.0.0.1:4712":  # noqa: ASYNC110 - a process's end has no asyncio.Event
                await asyncio.sleep(0.01)

    assert len(log.read_text().splitlines()) == 2


async def test_no_cluster_is_asked_when_the_address_is_given() -> None:
    async with bridge(ClusterOptions(Path("/none")), "calls", "http://speech.example.com") as address:
        assert await address() == "http://speech.example.com"


async def test_kubectls_failure_has_its_own_words(tmp_path: Path) -> None:
    kubectl(tmp_path, "error: unable to forward port because pod is not running", stays=False)

    with pytest.raises(ClusterError, match="unable to forward port because pod is not running") as raised:
        async with port_forward((), "team-a", "calls-bridge-1", 8080):
            pass

    assert "--url" in raised.value.advice
    assert raised.value.transient


@pytest.mark.parametrize(
    "says", ["error: You must be logged in to the server (Unauthorized)", "Error from server (Forbidden): pods"]
)
async def test_a_refusal_of_a_port_forward_is_final(tmp_path: Path, says: str) -> None:
    kubectl(tmp_path, says, stays=False)

    with pytest.raises(ClusterError) as raised:
        async with port_forward((), "team-a", "calls-bridge-1", 8080):
            pass

    assert not raised.value.transient


async def test_an_empty_line_is_not_the_end(tmp_path: Path) -> None:
    kubectl(tmp_path, f"\n{FORWARDING}")

    async with port_forward((), "team-a", "calls-bridge-1", 8080) as forward:
        assert forward.url == "http://127.0.0.1:4711"


async def test_without_kubectl_the_advice_is_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/none")

    with pytest.raises(ClusterError, match="kubectl is not on the PATH"):
        async with port_forward((), "team-a", "calls-bridge-1", 8080):
            pass


async def test_without_a_running_bridge_the_doctor_is_the_next_step(server: StandInApi, tmp_path: Path) -> None:
    server.lists[PODS.path("team-a")] = []
    server.objects[PIPELINES.path("team-a", "calls")] = {"metadata": {"name": "calls"}}

    with pytest.raises(ClusterError, match="no pod of the bridge of calls runs") as raised:
        async with bridge(ClusterOptions(server.kubeconfig(tmp_path)), "calls"):
            pass

    assert raised.value.advice == "kubectl speech doctor calls -n team-a"
