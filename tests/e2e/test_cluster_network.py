"""NetworkPolicies of a pipeline, which the cluster enforces: who can connect to which of its pods, and who cannot."""

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from cluster.api import Api, Object
from e2e.service import Deployed, Service
from e2e.traffic import traffic
from speechlocal.images import catalog

pytestmark = pytest.mark.e2e

WITHIN_S = 120.0
WHISPER, OLLAMA, BRIDGE = ("whisper", 9000), ("ollama", 11434), ("bridge", 8080)
CONNECT = """
import socket, sys
try:
    address = socket.getaddrinfo(sys.argv[1], int(sys.argv[2]), type=socket.SOCK_STREAM)[0][4]
except OSError as error:
    sys.exit(f"no such name: {error}")
try:
    socket.create_connection(address[:2], timeout=8).close()
except OSError:
    sys.exit(3)
"""
"""Exits with 0 if it can connect, with 3 if the connection is refused or not answered. A refused packet is dropped."""
REFUSED = 3


@dataclass(frozen=True)
class Caller:
    """A pod that does not belong to the pipeline."""

    api: Api
    namespace: str
    labels: dict[str, str]

    async def can_connect(self, speech: Service, target: tuple[str, int]) -> bool:
        part, port = target
        host = f"{speech.name}-{part}.{speech.namespace}.svc.cluster.local"
        name = f"caller-{uuid.uuid4().hex[:8]}"
        await self.api.create(pod(name, self.labels, [host, str(port)]), self.namespace)
        ended = await self.api.until("Pod", self.namespace, name, lambda found: exit_code(found) is not None, WITHIN_S)
        await self.api.delete("Pod", self.namespace, name)
        code = exit_code(ended)
        assert code in {0, REFUSED}, ended["status"]["containerStatuses"]
        return code == 0


def pod(name: str, labels: dict[str, str], arguments: list[str]) -> Object:
    restricted: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    container = {
        "name": "caller",
        "image": catalog.tag("bridge"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", CONNECT, *arguments],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "securityContext": restricted,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        },
    }


def exit_code(found: Object) -> int | None:
    """Of the only container, None while it has not ended."""
    for container in found.get("status", {}).get("containerStatuses", ()):
        if ended := container["state"].get("terminated"):
            return int(ended["exitCode"])
    return None


@pytest.fixture
def stranger(cluster_api: Api, deployed: Deployed, room: str) -> Caller:
    assert deployed
    return Caller(cluster_api, room, {"app": "stranger"})


@pytest.fixture
def prometheus(cluster_api: Api, deployed: Deployed, room: str) -> Caller:
    assert deployed
    return Caller(cluster_api, room, {"app": "prometheus"})


async def test_a_stranger_reaches_the_bridge_alone(speech: Service, stranger: Caller) -> None:
    await speech.settle()

    tried = await asyncio.gather(*(stranger.can_connect(speech, target) for target in (BRIDGE, WHISPER, OLLAMA)))

    assert tried == [True, False, False]


async def test_the_bridge_reaches_whisper_and_ollama(speech: Service) -> None:
    await speech.settle()
    for part, port in (WHISPER, OLLAMA):
        host = f"{speech.name}-{part}.{speech.namespace}.svc.cluster.local"

        speech.cluster.kubectl(
            *("-n", speech.namespace, "exec", f"deployment/{speech.name}-bridge", "--"),
            *("python3", "-c", CONNECT, host, str(port)),
        )


async def test_metrics_are_read_by_those_of_the_spec_alone(
    speech: Service, stranger: Caller, prometheus: Caller
) -> None:
    reader = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": prometheus.namespace}},
        "podSelector": {"matchLabels": prometheus.labels},
    }
    try:
        await speech.edit(networkPolicy={"metricsFrom": [reader]})

        *allowed, forbidden = await asyncio.gather(
            *(prometheus.can_connect(speech, target) for target in (WHISPER, OLLAMA, BRIDGE)),
            stranger.can_connect(speech, WHISPER),
        )

        assert allowed == [True, True, True]
        assert not forbidden
    finally:
        await speech.edit(networkPolicy=None)
    assert not await prometheus.can_connect(speech, WHISPER)


async def test_clients_of_the_spec_alone_reach_the_bridge(speech: Service, stranger: Caller) -> None:
    ingress = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "traefik"}}}
    try:
        await speech.edit(networkPolicy={"bridgeFrom": [ingress]})

        assert not await stranger.can_connect(speech, BRIDGE)
        async with traffic(speech.cluster.ingress, speech.host) as users:
            await users.more()
    finally:
        await speech.edit(networkPolicy=None)
    assert users.lost == []
    assert await stranger.can_connect(speech, BRIDGE)
