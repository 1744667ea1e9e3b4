"""`kubectl speech status` and `doctor` against an API server with given objects."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from cli.stand_ins import Object, StandInApi, kubectl
from speechcli.__main__ import parser
from speechcli.commands import status as status_command
from speechcli.commands.doctor import doctor
from speechcli.commands.status import status
from speechcli.errors import ClusterError
from speechcli.kube.client import ApiError, KubeClient
from speechcli.kube.resources import CRDS, DEPLOYMENTS, NODES, PIPELINES, PODS

pytestmark = pytest.mark.unit


def pipeline(name: str, **status: object) -> Object:
    return {
        "metadata": {"name": name, "namespace": "team-a", "generation": 1},
        "spec": {},
        "status": {
            "observedGeneration": 1,
            "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": ""}],
            **status,
        },
    }


@pytest.fixture
async def server() -> AsyncIterator[StandInApi]:
    async with StandInApi() as running:
        found = [pipeline("calls", bottleneck="whisper"), pipeline("mail")]
        running.lists[PIPELINES.path("team-a")] = found
        running.objects |= {PIPELINES.path("team-a", one["metadata"]["name"]): one for one in found}
        yield running


@pytest.fixture
def cluster(server: StandInApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options that choose the stand-in."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return ["--kubeconfig", str(server.kubeconfig(tmp_path))]


async def test_one_pipeline_is_shown(cluster: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert await status(parser("status").parse_args(["calls", *cluster])) == 0

    printed = capsys.readouterr().out
    assert "team-a/calls  ready" in printed
    assert "bottleneck: whisper" in printed
    assert "mail" not in printed


async def test_without_a_name_all_are_shown(cluster: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    await status(parser("status").parse_args(cluster))

    printed = capsys.readouterr().out
    assert "team-a/calls" in printed
    assert "team-a/mail" in printed


async def test_an_empty_namespace_is_named(
    server: StandInApi, cluster: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    server.lists[PIPELINES.path("empty")] = []

    await status(parser("status").parse_args(["-n", "empty", *cluster]))

    assert capsys.readouterr().out == "no pipelines in namespace empty\n"


async def test_json_is_the_object_of_the_api(cluster: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    await status(parser("status").parse_args(["calls", "-o", "json", *cluster]))

    assert json.loads(capsys.readouterr().out)["status"]["bottleneck"] == "whisper"


class UnreliableClient:
    """The first watch fails as a restarting API server does; meanwhile the pipeline "mail" is deleted."""

    namespace = "team-a"

    def __init__(self) -> None:
        self.watches = 0

    async def list(self, *_: object, **__: object) -> list[Object]:
        return [pipeline("calls")] if self.watches else [pipeline("calls"), pipeline("mail")]

    async def watch(self, *_: object) -> AsyncIterator[tuple[str, Object]]:
        self.watches += 1
        if self.watches == 1:
            raise ApiError(0, "the API server does not respond")
        if self.watches == 3:
            raise ApiError(403, "pipelines are forbidden")
        yield "ADDED", pipeline("calls")


async def test_a_watch_outlives_the_api_server_and_learns_what_was_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_command, "SHORTEST_WATCH_S", 0.0)
    client = cast("KubeClient", UnreliableClient())
    events = status_command.changes(client, "", [pipeline("calls"), pipeline("mail")])

    seen = [(event, one["metadata"]["name"]) for event, one in (await anext(events), await anext(events))]

    assert seen == [("DELETED", "mail"), ("ADDED", "calls")]
    with pytest.raises(ClusterError, match="forbidden"):
        await anext(events)


async def test_a_watch_prints_each_change_and_ends_with_the_pipeline(
    server: StandInApi, cluster: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    changes = [pipeline("calls", bottleneck="whisper"), pipeline("calls", bottleneck="ollama")]
    server.watched = [{"type": "MODIFIED", "object": one} for one in changes]
    server.watched.append({"type": "DELETED", "object": changes[-1]})

    with pytest.raises(ClusterError, match="has been deleted"):
        await status(parser("status").parse_args(["calls", "-w", *cluster]))

    printed = capsys.readouterr().out
    assert printed.index("bottleneck: whisper") < printed.index("bottleneck: ollama")


async def test_a_missing_pipeline_is_an_error(cluster: list[str]) -> None:
    with pytest.raises(ClusterError, match="it has calls, mail"):
        await status(parser("status").parse_args(["other", *cluster]))


async def test_the_doctor_finds_what_is_wrong_and_says_what_it_could_not_read(
    server: StandInApi, cluster: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl(tmp_path, "error: forbidden", stays=False)
    server.lists |= {DEPLOYMENTS.path(): [], PODS.path("team-a"): []}
    server.refused |= {NODES.path(), CRDS.path(name="speechpipelines.speechpipeline.dev")}
    server.allowed = False

    code = await doctor(parser("doctor").parse_args(["calls", "-o", "json", *cluster]))

    found = json.loads(capsys.readouterr().out)["verdicts"]
    said = {(one["area"], one["level"]): one["message"] for one in found}
    assert code == 1
    assert "no operator is installed" in said["operator", "fault"]
    assert "is forbidden" in said["operator", "not checked"]
    assert said["permissions", "warning"].startswith("you may not list nodes")
    assert said["conditions", "ok"] == "all conditions are met"
    assert "no pod of the bridge" in said["bridge", "not checked"]


async def test_a_doctor_without_faults_is_0(
    server: StandInApi, cluster: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    operator = {
        "metadata": {"name": "speech", "namespace": "platform"},
        "spec": {"replicas": 1},
        "status": {"readyReplicas": 1},
    }
    server.lists[DEPLOYMENTS.path()] = [operator]

    code = await doctor(parser("doctor").parse_args(["calls", "-q", *cluster]))

    printed = capsys.readouterr().out
    assert code == 0
    assert "✓" not in printed
    assert "checks not possible" in printed


async def test_without_the_crd_the_advice_is_to_install_it(server: StandInApi, cluster: list[str]) -> None:
    server.lists.clear()

    with pytest.raises(ClusterError, match="CRD is not installed"):
        await status(parser("status").parse_args(cluster))
