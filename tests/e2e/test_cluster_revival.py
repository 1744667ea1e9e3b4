"""A cluster whose node was stopped, by a reboot or with its engine, comes back with all that was on it."""

import asyncio
import io

import pytest
from rich.console import Console

from cluster.api import Object
from e2e.service import Deployed, Service
from e2e.traffic import traffic
from speechlocal.cluster import kind, lifecycle, platform
from speechlocal.containers import docker

pytestmark = pytest.mark.e2e

PARTS = ("whisper", "ollama", "bridge")
STARTED_WITHIN_S = 180.0


async def test_a_node_that_was_killed_is_started_again_and_serves(deployed: Deployed, speech: Service) -> None:
    before = await speech.settle()
    restarts = {pod["metadata"]["name"]: starts(pod) for part in PARTS for pod in await speech.pods(part)}
    docker.docker("kill", kind.node(deployed.cluster.name))
    assert lifecycle.look(deployed.cluster.name).state is lifecycle.State.STOPPED

    shown = io.StringIO()
    await asyncio.to_thread(lifecycle.up, Console(file=shown, width=120), deployed.cluster.name)
    for pod, count in restarts.items():
        again = lambda found, count=count: starts(found) > count and is_ready(found)  # noqa: E731
        await speech.api.until("Pod", speech.namespace, pod, again, STARTED_WITHIN_S)

    after = await speech.settle()
    assert "starting the node that was stopped" in shown.getvalue()
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    answer = await platform.ask(Console(file=shown), deployed.cluster.way, speech.host, "smollm2:135m")
    assert answer["response"]
    async with traffic(speech.cluster.ingress, speech.host) as users:
        await users.more(2)
    assert users.lost == []


def starts(pod: Object) -> int:
    """How often the containers of a pod were started again."""
    return sum(int(status["restartCount"]) for status in pod["status"].get("containerStatuses", ()))


def is_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
