"""A cluster whose node was stopped, by a reboot or with its engine, comes back with all that was on it."""

import asyncio
import io
from collections.abc import Callable

import pytest
from rich.console import Console

from cluster.api import Object
from e2e.service import Deployed, Service, condition
from e2e.traffic import served
from speechlocal.cluster import kind, lifecycle
from speechlocal.containers import docker

pytestmark = pytest.mark.e2e

PARTS = ("whisper", "ollama", "bridge")
STARTED_WITHIN_S = 180.0


async def test_a_node_that_was_killed_is_started_again_and_serves(deployed: Deployed, speech: Service) -> None:
    before = await speech.settle()
    pods = [pod for part in PARTS for pod in await speech.pods(part) if "deletionTimestamp" not in pod["metadata"]]
    docker.docker("kill", kind.node(deployed.cluster.name))
    assert lifecycle.inspect(deployed.cluster.name).state is lifecycle.State.STOPPED

    await asyncio.to_thread(lifecycle.up, Console(file=io.StringIO()), deployed.cluster.name)
    for pod in pods:
        await speech.api.until("Pod", speech.namespace, pod["metadata"]["name"], started_after(pod), STARTED_WITHIN_S)

    after = await speech.settle()
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    await served(speech.cluster.ingress, speech.host)


def started_after(before: Object) -> Callable[[Object], bool]:
    """For `api.until`: the containers of a pod were started once more, and it is ready."""
    return lambda found: starts(found) > starts(before) and condition(found, "Ready").get("status") == "True"


def starts(pod: Object) -> int:
    return sum(int(status["restartCount"]) for status in pod["status"].get("containerStatuses", ()))
