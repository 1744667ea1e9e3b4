"""Replicas that follow the load of real requests, from zero and back: no request is lost on the way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from e2e.asking import VOICE, client, form, word_error_rate
from e2e.draining import WITHIN_S, drain_node, until_complete
from e2e.service import Service, condition, settled
from e2e.traffic import AT_ONCE, traffic
from speechlocal.cluster import platform

if TYPE_CHECKING:
    import aiohttp

    from cluster.api import Api, Object
    from e2e.service import Deployed
    from e2e.traffic import Traffic

pytestmark = pytest.mark.e2e

BURST = 6
AT_ONCE_DOWN = {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}
TINY = {"requests": {"cpu": "10m", "memory": "128Mi"}}
"""There is little room beside the pipeline of the example."""
ONE = {"minReplicas": 1, "maxReplicas": 1, **AT_ONCE_DOWN}
TWO = {"minReplicas": 2, "maxReplicas": 2, **AT_ONCE_DOWN}
FROM_ZERO = {"minReplicas": 0, "maxReplicas": 1, "idlePeriod": "5s", **AT_ONCE_DOWN}


def idle(body: Object) -> bool:
    """Whether nothing runs but the bridge, and the pipeline is Ready all the same."""
    ready, status = condition(body, "Ready"), body.get("status", {})
    asleep = all(status.get(part, {}).get("desired") == 0 for part in ("whisper", "ollama"))
    return asleep and (ready.get("status"), ready.get("reason")) == ("True", "Idle")


def changes(body: Object, component: str) -> list[tuple[int, int]]:
    """The changes of a component's replicas that were written, the oldest first."""
    history = body["status"].get("scalingHistory", ())
    return [(one["from"], one["to"]) for one in history if one["component"] == component and one["ok"]]


async def answered(session: aiohttp.ClientSession, url: str) -> str:
    """Ask about a recording; return what was wrong with the answer, or nothing."""
    async with session.post(f"{url}/process", data=form(prompt="Say hello.", max_tokens="4")) as answer:
        if answer.status != 200:
            return f"HTTP {answer.status}: {await answer.text()}"
        found = await answer.json()
    if word_error_rate(found["transcription"], VOICE) > 0.2:
        return f"misheard: {found['transcription']}"
    return "" if found["response"].strip() else f"no answer: {found}"


async def test_a_burst_from_zero_is_held_until_pods_have_started(
    cluster_api: Api, deployed: Deployed, room: str
) -> None:
    service = Service(cluster_api, deployed.cluster, room, "zero")
    await service.apply(whisper={"scaling": FROM_ZERO}, ollama={"scaling": FROM_ZERO})
    await cluster_api.until("SpeechPipeline", room, "zero", idle, WITHIN_S)
    for part in ("whisper", "ollama"):
        for pod in await service.pods(part):
            await cluster_api.until_gone("Pod", room, pod["metadata"]["name"], within_s=120)
    async with client(service.host) as session:
        await platform.routed(session, deployed.cluster.ingress)

        wrong = await asyncio.gather(*(answered(session, deployed.cluster.ingress) for _ in range(BURST)))

    assert set(wrong) == {""}
    after = await cluster_api.until("SpeechPipeline", room, "zero", idle, WITHIN_S)
    for part in ("whisper", "ollama"):
        assert changes(after, part)[-2:] == [(0, 1), (1, 0)], part
    stages = {model["stage"] for model in after["status"]["models"]}
    assert stages == {"Ready"}, "the models are still on the volume"


@pytest.fixture
async def scaled(cluster_api: Api, deployed: Deployed, room: str) -> Service:
    """A pipeline with two Whisper pods and two bridges, which serves."""
    name = room.replace("room", "scaled")  # the ingress may still know the hosts of namespaces that are being deleted
    service = Service(cluster_api, deployed.cluster, room, name)
    ingress = {"host": service.host, "className": "traefik"}
    await service.apply(
        whisper={"scaling": TWO, "resources": TINY},
        ollama={"resources": TINY},
        bridge={"replicas": 2, "resources": TINY, "ingress": ingress},
    )
    await until_replicas(service, 2)
    async with client(service.host) as session:
        await platform.routed(session, deployed.cluster.ingress)
    return service


async def test_no_request_is_lost_while_pods_come_and_go(scaled: Service) -> None:
    async with traffic(scaled.cluster.ingress, scaled.host) as users:
        await scale_down_three_times(scaled, users)
        assert users.lost == [], "scale-downs"
        await delete_ten_pods(scaled, users)
        assert users.lost == [], "deleted pods"
        await drain_node(scaled)
        await until_replicas(scaled, 2)
        await users.more(2 * AT_ONCE)
    assert users.lost == [], "a drained node"


async def scale_down_three_times(scaled: Service, users: Traffic) -> None:
    for _ in range(3):
        await scaled.edit(whisper={"scaling": ONE})
        await until_replicas(scaled, 1)
        await users.more(AT_ONCE)
        await scaled.edit(whisper={"scaling": TWO})
        await until_replicas(scaled, 2)
        await users.more(AT_ONCE)


async def delete_ten_pods(scaled: Service, users: Traffic) -> None:
    """Of both parts at the same time; of each, the next one only when the last one has been replaced."""
    async with asyncio.TaskGroup() as parts:
        for part in ("bridge", "whisper"):
            parts.create_task(delete_five_pods(scaled, part, users))


async def delete_five_pods(scaled: Service, part: str, users: Traffic) -> None:
    for _ in range(5):
        living = [pod for pod in await scaled.pods(part) if "deletionTimestamp" not in pod["metadata"]]
        await scaled.api.delete("Pod", scaled.namespace, living[0]["metadata"]["name"])
        await until_replaced(scaled, part, living[0]["metadata"]["name"])
        await users.more(AT_ONCE)


async def until_replicas(speech: Service, replicas: int) -> None:
    """Wait until Whisper has so many ready replicas, and the pipeline has settled."""

    def reached(body: Object) -> bool:
        whisper = body.get("status", {}).get("whisper", {})
        return settled(body) and (whisper.get("desired"), whisper.get("ready")) == (replicas, replicas)

    await speech.api.until("SpeechPipeline", speech.namespace, speech.name, reached, WITHIN_S)


async def until_replaced(speech: Service, part: str, deleted: str) -> None:
    """Wait until a deleted pod is gone, and its Deployment has all replicas ready again."""
    await speech.api.until_gone("Pod", speech.namespace, deleted, WITHIN_S)
    await until_complete(speech, part)
