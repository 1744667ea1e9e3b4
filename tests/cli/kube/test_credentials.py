"""Credentials of plugins, and of a pod's service account."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from cli.stand_ins import StandInApi
from speechcli.errors import ClusterError
from speechcli.kube import configuration
from speechcli.kube.client import ApiError, KubeClient
from speechcli.kube.configuration import ClusterOptions
from speechcli.kube.resources import NODES, PODS

pytestmark = pytest.mark.unit


@pytest.fixture
async def server() -> AsyncIterator[StandInApi]:
    async with StandInApi() as running:
        running.lists[PODS.path("team-a")] = []
        yield running


def with_plugin(server: StandInApi, folder: Path, script: str) -> ClusterOptions:
    """A kubeconfig whose user logs in by a plugin: a shell script."""
    path = server.kubeconfig(folder)
    found = yaml.safe_load(path.read_text())
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sh", "args": ["-c", script]}
    found["users"] = [{"name": "jo", "user": {"exec": {**plugin, "interactiveMode": "Never"}}}]
    path.write_text(yaml.safe_dump(found))
    return ClusterOptions(path)


def gives(token: Path) -> str:
    """A script that gives the token in a file."""
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "T"}}
    return f"echo '{json.dumps(credential)}' | sed s/T\"/$(cat {token})\"/"


async def test_a_plugin_that_fails_says_to_log_in_again(server: StandInApi, tmp_path: Path) -> None:
    chosen = with_plugin(server, tmp_path, "echo the SSO session has expired >&2; exit 1")

    with pytest.raises(ClusterError, match="the SSO session has expired") as raised:
        await configuration.load(chosen)

    assert "log in again" in raised.value.advice


async def test_an_expired_token_is_renewed_once(server: StandInApi, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    async with KubeClient(await configuration.load(with_plugin(server, tmp_path, gives(token)))) as client:
        await client.list(PODS, "team-a")
        server.expired.add("first")
        token.write_text("second")
        await client.list(PODS, "team-a")

    sent = [request.headers["Authorization"] for request in server.requests]
    assert sent == ["Bearer first", "Bearer first", "Bearer second"]


async def test_a_token_that_stays_expired_is_an_error(server: StandInApi, tmp_path: Path) -> None:
    server.expired.add("secret")
    async with KubeClient(await configuration.load(ClusterOptions(server.kubeconfig(tmp_path)))) as client:
        with pytest.raises(ApiError, match="rejects the credentials"):
            await client.list(PODS, "team-a")

    assert len(server.requests) == 1


async def test_an_anonymous_user_is_told_to_log_in(server: StandInApi, tmp_path: Path) -> None:
    server.refused.add(f"{NODES.path()} for system:anonymous")
    async with KubeClient(await configuration.load(ClusterOptions(server.kubeconfig(tmp_path)))) as client:
        with pytest.raises(ApiError) as raised:
            await client.get(f"{NODES.path()}%20for%20system:anonymous")

    assert "log in again" in raised.value.advice


async def test_a_pod_without_a_kubeconfig_uses_its_service_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in {"token": "of-the-pod", "ca.crt": "certificate", "namespace": "team-b"}.items():
        (tmp_path / name).write_text(content)
    monkeypatch.setattr("kubernetes.aio.config.incluster_config.SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr("kubernetes.aio.config.incluster_config.SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setattr(configuration, "OWN_NAMESPACE", tmp_path / "namespace")
    monkeypatch.setattr("kubernetes.aio.config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")

    access = await configuration.load(ClusterOptions())

    assert (access.configuration.host, access.namespace) == ("https://10.96.0.1:443", "team-b")
    assert access.configuration.api_key["BearerToken"].endswith("of-the-pod")
