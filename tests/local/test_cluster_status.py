"""The output of `cluster status` and its command line; engine and cluster are doubles."""

from __future__ import annotations

from typing import Any

import pytest

from speechlocal.__main__ import main
from speechlocal.cluster import addons, kind, lifecycle, status
from speechlocal.cluster.lifecycle import Found, State
from speechlocal.containers import docker, engine
from speechlocal.errors import LocalError

pytestmark = pytest.mark.unit

READY = {"type": "Ready", "status": "True"}
NODE = {
    "metadata": {"name": "test-control-plane"},
    "status": {
        "conditions": [READY],
        "capacity": {"nvidia.com/gpu": "2"},
        "nodeInfo": {"kubeletVersion": "v1.34.4"},
    },
}
PIPELINE = {
    "metadata": {"namespace": "default", "name": "speech"},
    "status": {"conditions": [READY], "url": "http://speech.localhost:8088"},
}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A cluster that is up with all its add-ons and a pipeline; its objects may be changed."""
    deployments = [
        {
            "metadata": {"namespace": addon.namespace, "name": addon.name},
            "status": {"conditions": [{"type": "Available", "status": "True"}]},
        }
        for addon in addons.ADDONS
    ]
    objects: dict[str, Any] = {"nodes": [NODE], "deployments": deployments, "speechpipelines": [PIPELINE]}
    monkeypatch.setattr(docker, "answers", lambda: True)
    monkeypatch.setattr(docker, "docker", lambda *_: "20.10.24")
    monkeypatch.setattr(engine, "started_here", lambda: None)
    monkeypatch.setattr(kind, "clusters", lambda: ["speechpipeline"])
    monkeypatch.setattr(lifecycle, "inspect", lambda _: Found(State.RUNNING, 8088))
    monkeypatch.setattr(status, "items", lambda _, resource: objects[resource])
    return objects


@pytest.mark.usefixtures("cluster")
def test_a_cluster_that_is_up_is_listed_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cluster", "status"]) == 0
    said = capsys.readouterr().out.splitlines()

    assert [line.split()[:3] for line in said] == [
        ["engine", "docker", "running"],
        ["cluster", "speechpipeline", "running"],
        ["node", "test-control-plane", "ready"],
        ["add-on", "traefik", "ready"],
        ["add-on", "model-registry", "ready"],
        ["add-on", "metrics-server", "ready"],
        ["add-on", "dashboards", "ready"],
        ["pipeline", "default/speech", "ready"],
    ]
    assert "ingress http://127.0.0.1:8088" in said[1]
    assert "2 simulated GPUs" in said[2]
    assert "http://dashboards.localhost:8088/" in said[6]
    assert "http://speech.localhost:8088" in said[7]


def test_a_missing_add_on_is_listed_as_missing(cluster: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    cluster["deployments"] = cluster["deployments"][1:]

    assert main(["cluster", "status"]) == 1
    assert "traefik             missing" in capsys.readouterr().out


def test_a_pipeline_that_is_not_ready_says_why(cluster: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    waiting = {"type": "Ready", "status": "False", "message": "smollm2:135m is being pulled"}
    cluster["speechpipelines"] = [{**PIPELINE, "status": {"conditions": [waiting]}}]

    assert main(["cluster", "status"]) == 1
    assert "smollm2:135m is being pulled" in capsys.readouterr().out


@pytest.mark.usefixtures("cluster")
def test_without_the_chart_there_are_no_pipelines(
    monkeypatch: pytest.MonkeyPatch, cluster: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    def items(_: str, resource: str) -> Any:
        if resource == "speechpipelines":
            raise LocalError("the server doesn't have a resource type")
        return cluster[resource]

    monkeypatch.setattr(status, "items", items)

    assert main(["cluster", "status"]) == 0
    assert "the platform is not installed" in capsys.readouterr().out


def test_without_an_engine_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(docker, "answers", lambda: False)

    assert main(["cluster", "status"]) == 1
    assert "not running" in capsys.readouterr().out


@pytest.mark.usefixtures("cluster")
def test_a_stopped_cluster_is_listed_as_stopped_and_not_as_absent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for state in (State.STOPPED, State.ABSENT):
        monkeypatch.setattr(lifecycle, "inspect", lambda _, state=state: Found(state))
        assert main(["cluster", "status"]) == 1
        assert f"speechpipeline  {state.value}" in capsys.readouterr().out


def test_an_impossible_port_is_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cluster", "up", "--port", "70000"]) == 2
    assert "--port 70000 is not a TCP port" in capsys.readouterr().err
