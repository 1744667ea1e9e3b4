"""The plugin against a real API server: its watch, and what a user without many permissions gets."""

import asyncio
import json
from collections import defaultdict
from contextlib import aclosing
from typing import Any

import pytest

from cluster.api import Api
from cluster.control_plane import ControlPlane
from cluster.expected import pipeline
from speechcli.__main__ import parser
from speechcli.commands.doctor import doctor
from speechcli.commands.status import status
from speechcli.errors import ClusterError
from speechcli.kube import configuration
from speechcli.kube.client import KubeClient
from speechcli.kube.configuration import ClusterOptions
from speechcli.kube.resources import PIPELINES

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crd")]

READ_PIPELINES = {"apiGroups": ["speechpipeline.dev"], "resources": ["speechpipelines"], "verbs": ["get", "list"]}


async def options_of_a_user(plane: ControlPlane, namespace: str, *rules: dict[str, Any]) -> list[str]:
    """The options that choose the API server as somebody with these permissions."""
    identity = await plane.identity(namespace, "jo", rules)
    return ["--kubeconfig", str(plane.kubeconfig(identity)), "-n", namespace]


async def test_a_pipeline_is_shown_with_the_permission_to_read_it_alone(
    control_plane: ControlPlane, api: Api, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await api.create(pipeline(namespace))
    chosen = await options_of_a_user(control_plane, namespace, READ_PIPELINES)

    code = await status(parser("status").parse_args(["p", *chosen]))

    assert code == 0
    assert f"{namespace}/p  not seen by the operator yet" in capsys.readouterr().out


async def test_a_user_without_permission_gets_the_servers_words(
    control_plane: ControlPlane, api: Api, namespace: str
) -> None:
    await api.create(pipeline(namespace))
    chosen = await options_of_a_user(control_plane, namespace)

    with pytest.raises(ClusterError, match="cannot get resource") as refused:
        await status(parser("status").parse_args(["p", *chosen]))

    assert "administrator" in refused.value.advice


async def test_the_doctor_names_missing_permissions_and_checks_what_it_can(
    control_plane: ControlPlane, api: Api, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await api.create(pipeline(namespace))
    chosen = await options_of_a_user(control_plane, namespace, READ_PIPELINES)

    code = await doctor(parser("doctor").parse_args(["p", "-o", "json", *chosen]))

    said: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in json.loads(capsys.readouterr().out)["verdicts"]:
        said[one["area"], one["level"]].append(one["message"])
    permissions = " ".join(said["permissions", "warning"])
    assert code == 1
    assert "has not looked at the pipeline" in said["conditions", "fault"][0]
    assert "may not list pods:" in permissions
    assert "may not create pods/portforward:" in permissions
    assert "may not list nodes:" in permissions
    assert 'cannot list resource "pods"' in said["pods", "not checked"][0]


async def test_an_administrator_has_all_permissions(
    control_plane: ControlPlane, api: Api, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await api.create(pipeline(namespace))
    chosen = ["--kubeconfig", str(control_plane.kubeconfig()), "-n", namespace]

    await doctor(parser("doctor").parse_args(["p", *chosen]))

    printed = capsys.readouterr().out
    assert "you have all permissions that this plugin uses" in printed
    assert "CRD 0.1.0 installed" in printed
    assert "no operator is installed" in printed


async def test_a_change_of_the_status_is_seen_by_the_watch(
    control_plane: ControlPlane, api: Api, namespace: str
) -> None:
    await api.create(pipeline(namespace))
    access = await configuration.load(ClusterOptions(control_plane.kubeconfig(), namespace=namespace))

    async with (
        asyncio.timeout(30),
        KubeClient(access) as client,
        aclosing(client.watch(PIPELINES, namespace, "p")) as events,
    ):
        first, _ = await anext(events)
        await api.patch("SpeechPipeline", namespace, "p", {"status": {"bottleneck": "ollama"}}, sub="status")
        second, changed = await anext(events)

    assert (first, second) == ("ADDED", "MODIFIED")
    assert changed["status"]["bottleneck"] == "ollama"
