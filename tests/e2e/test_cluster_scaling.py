"""Replicas that follow the load of real requests, from zero and back: no request is lost on the way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from e2e.asking import VOICE, client, form, word_error_rate
from e2e.service import Service, condition
from speechlocal.cluster import platform

if TYPE_CHECKING:
    import aiohttp

    from cluster.api import Api, Object
    from e2e.service import Deployed

pytestmark = pytest.mark.e2e

BURST = 6
WITHIN_S = 240.0
AT_ONCE_DOWN = {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}
FROM_ZERO = {"minReplicas": 0, "maxReplicas": 1, "idlePeriod": "5s", **AT_ONCE_DOWN}


def idle(body: Object) -> bool:
    """Whether nothing runs but the bridge, and the pipeline is Ready all the same."""
    ready = condition(body, "Ready")
    return (ready.get("status"), ready.get("reason")) == ("True", "Idle")


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
