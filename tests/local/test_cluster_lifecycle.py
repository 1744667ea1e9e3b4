"""A cluster found in whatever state: kept, revived, or recreated. kind and Docker are doubles."""

from __future__ import annotations

import io
import queue
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from speechcli.errors import UsageError
from speechlocal.cluster import kind, lifecycle
from speechlocal.cluster.lifecycle import Found, State
from speechlocal.containers import docker, engine
from speechlocal.errors import LocalError
from speechlocal.offline import provide

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

PORT_IN_USE = (
    "driver failed programming external connectivity: Bind for 127.0.0.1:8088 failed: port is already allocated"
)


def inspected(*, running: bool, port: str = "8088") -> dict[str, Any]:
    """Return the output of `docker inspect` for a node."""
    bindings = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}], "6443/tcp": [{"HostPort": "40000"}]}
    return {"State": {"Running": running}, "HostConfig": {"PortBindings": bindings}}


@dataclass
class Machine:
    """A machine with or without a node, whether that starts and answers, and what was done."""

    node: dict[str, Any] | None = None
    start_fails: str = ""
    answers: bool = True
    done: list[str] = field(default_factory=list)

    def docker(self, *arguments: str, **_: object) -> str:
        if arguments[0] == "start":
            self.done.append("start")
            if self.start_fails:
                raise LocalError(self.start_fails)
        if arguments[:2] == ("network", "inspect"):
            return '[{"Containers": {}}]'
        if arguments[:2] == ("network", "rm"):
            self.done.append("remove network")
        return ""

    def delete(self, _name: str) -> None:
        self.done.append("delete")
        self.node = None

    def create(self, _name: str, image: str, port: int, _report: object) -> None:
        assert image == "node:1"
        self.done.append(f"create on {port}")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    double = Machine()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(docker, "container", lambda _: double.node)
    monkeypatch.setattr(docker, "docker", double.docker)
    monkeypatch.setattr(kind, "create", double.create)
    monkeypatch.setattr(kind, "delete", double.delete)
    monkeypatch.setattr(kind, "clusters", list)
    monkeypatch.setattr(kind, "kubeconfig", lambda name: tmp_path / name)
    monkeypatch.setattr(kind, "export_kubeconfig", lambda _, target: target.touch())
    monkeypatch.setattr(lifecycle, "api_ready", lambda _name, _seconds: double.answers)
    monkeypatch.setattr(provide, "tag", lambda name: f"{name}:1")
    monkeypatch.setattr(engine, "ensure", lambda _: None)
    monkeypatch.setattr(engine, "stop_if_unused", lambda: double.done.append("stop engine") or True)
    return double


def bring_up(said: list[str] | None = None) -> None:
    lifecycle.ensure_running("test", 8088, (said if said is not None else []).append)


def test_an_absent_cluster_is_created(machine: Machine) -> None:
    bring_up()
    assert machine.done == ["create on 8088"]


def test_a_running_cluster_is_kept(machine: Machine) -> None:
    machine.node = inspected(running=True)
    bring_up()
    assert machine.done == []


def test_a_stopped_cluster_is_started(machine: Machine) -> None:
    machine.node = inspected(running=False)
    bring_up()
    assert machine.done == ["start"]


@pytest.mark.parametrize("running", [True, False])
def test_a_cluster_whose_api_never_answers_is_recreated(machine: Machine, running: bool) -> None:  # noqa: FBT001 - a table
    machine.node, machine.answers = inspected(running=running), False
    said: list[str] = []
    bring_up(said)

    assert machine.done[-2:] == ["delete", "create on 8088"]
    assert "it does not become ready: recreating it" in said


def test_a_cluster_whose_node_cannot_start_is_recreated(machine: Machine) -> None:
    machine.node, machine.start_fails = inspected(running=False), "OCI runtime create failed"
    bring_up()
    assert machine.done == ["start", "delete", "create on 8088"]


def test_a_port_in_use_does_not_cost_the_cluster(machine: Machine) -> None:
    machine.node, machine.start_fails = inspected(running=False), PORT_IN_USE

    with pytest.raises(LocalError, match="already allocated") as raised:
        bring_up()
    assert machine.done == ["start"]
    assert "port 8088 is in use" in raised.value.advice


def test_the_lock_of_a_killed_kind_is_removed(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "test.lock").touch()
    bring_up()

    assert machine.done == ["create on 8088"]
    assert not (tmp_path / "test.lock").exists()


def test_two_that_bring_it_up_at_once_create_one(machine: Machine) -> None:
    said: queue.Queue[str] = queue.Queue()
    with ThreadPoolExecutor() as pool:
        with lifecycle.locked("test", said.put):
            second = pool.submit(lifecycle.ensure_running, "test", 8088, said.put)
            assert said.get(timeout=10) == "waiting for another process that works on test"
            machine.node = inspected(running=True)
        second.result(10)

    assert said.empty()
    assert machine.done == []


def test_a_lost_kubeconfig_is_exported_again(machine: Machine, tmp_path: Path) -> None:
    machine.node = inspected(running=True)
    bring_up()
    assert (tmp_path / "test").is_file()


@pytest.mark.parametrize(
    ("container", "found"),
    [
        (None, Found(State.ABSENT)),
        (inspected(running=True), Found(State.RUNNING, 8088)),
        (inspected(running=False, port="9000"), Found(State.STOPPED, 9000)),
        ({"State": {"Running": True}, "HostConfig": {"PortBindings": {}}}, Found(State.RUNNING, 0)),
    ],
)
def test_the_state_of_a_cluster_is_that_of_its_node(container: dict[str, Any] | None, found: Found) -> None:
    assert lifecycle.found_in(container) == found


@pytest.mark.parametrize(
    ("found", "wanted", "port"),
    [
        (Found(State.ABSENT), None, lifecycle.DEFAULT_PORT),
        (Found(State.ABSENT), 9000, 9000),
        (Found(State.STOPPED, 9000), None, 9000),
        (Found(State.RUNNING, 9000), 9000, 9000),
    ],
)
def test_the_port_is_the_requested_one_or_the_clusters(found: Found, wanted: int | None, port: int) -> None:
    assert lifecycle.chosen_port("test", found, wanted) == port


def test_another_port_than_the_clusters_is_rejected() -> None:
    with pytest.raises(UsageError, match="has its ingress on port 9000") as raised:
        lifecycle.chosen_port("test", Found(State.RUNNING, 9000), 9001)
    assert "cluster down --name test" in raised.value.advice


def test_down_leaves_no_cluster_no_network_and_no_engine(machine: Machine) -> None:
    machine.node = inspected(running=True)
    console = Console(file=io.StringIO(), width=200)
    lifecycle.down(console, "test")

    assert machine.done == ["delete", "remove network", "stop engine"]
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "cluster: deleted test; stopped the container engine\n"


def test_down_keeps_the_network_of_another_cluster(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind, "clusters", lambda: ["other"])
    lifecycle.down(Console(file=io.StringIO()), "test")

    assert "remove network" not in machine.done


def test_the_ingress_listens_on_the_loopback_address_only() -> None:
    config = kind.config(8088)

    assert [node["role"] for node in config["nodes"]] == ["control-plane"]
    assert {mapping["listenAddress"] for mapping in config["nodes"][0]["extraPortMappings"]} == {"127.0.0.1"}
    assert config["networking"]["apiServerAddress"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        (PORT_IN_USE, "choose another one with --port"),
        ("OCI runtime create failed: unable to apply caps: operation not permitted", "lacks CAP_SYS_RESOURCE"),
        ("kubeadm init failed", "docker logs"),
    ],
)
def test_an_error_of_kind_has_advice(message: str, advice: str) -> None:
    assert advice in kind.advice_for(message, 8088)
