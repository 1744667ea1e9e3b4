"""Two pipelines of the same name in two namespaces: neither knows of the other, and nothing is left of one deleted."""

import pytest

from cluster.api import Api
from e2e.asking import client
from e2e.service import Deployed, Service, pipeline
from e2e.traffic import chat, traffic, transcribe
from speechlocal.cluster import platform

pytestmark = pytest.mark.e2e

KINDS = (
    *("Deployment", "ReplicaSet", "Pod", "Service", "ConfigMap", "ServiceAccount", "PersistentVolumeClaim"),
    *("PodDisruptionBudget", "NetworkPolicy", "Ingress", "HorizontalPodAutoscaler"),
)
OURS = "app.kubernetes.io/managed-by=speechpipeline-operator"
HOST = "second.localhost"


async def test_one_comes_and_goes_beside_the_other(
    speech: Service, cluster_api: Api, deployed: Deployed, room: str
) -> None:
    second = Service(cluster_api, deployed.cluster, room, speech.name)
    async with traffic(deployed.cluster.ingress, speech.host) as users:
        temporary = {"size": "1Gi", "whenDeleted": "Delete"}
        await second.apply(bridge={"ingress": {"host": HOST, "className": "traefik"}}, ollama={"cache": temporary})
        await second.settle()
        async with client(HOST) as session:
            await platform.routed(session, deployed.cluster.ingress)
            assert await transcribe(session, deployed.cluster.ingress) == ""
            assert await chat(session, deployed.cluster.ingress) == ""

        await cluster_api.delete("SpeechPipeline", room, second.name)
        for kind in KINDS:
            for body in await cluster_api.list(kind, room, labelSelector=OURS):
                await cluster_api.until_gone(kind, room, body["metadata"]["name"], within_s=120)
        await users.more()

    assert users.lost == []


async def test_claim_that_is_to_stay_stays_and_is_found_again(cluster_api: Api, deployed: Deployed, room: str) -> None:
    kept = Service(cluster_api, deployed.cluster, room, "kept")
    cache = {"size": "1Gi", "whenDeleted": "Retain"}
    outside = {"whisper": {"url": "http://whisper.example.com:9000"}}
    await cluster_api.apply(pipeline(kept.name, **outside, ollama={"cache": cache}), room, manager="e2e")
    await cluster_api.until(
        *("PersistentVolumeClaim", room, "kept-ollama"), lambda body: body["status"].get("phase") == "Bound", 120
    )

    await cluster_api.delete("SpeechPipeline", room, kept.name)
    await cluster_api.until_gone("Deployment", room, "kept-ollama", within_s=120)

    claim = await cluster_api.get("PersistentVolumeClaim", room, "kept-ollama")
    assert "deletionTimestamp" not in claim["metadata"]
    await kept.apply(**outside, ollama={"cache": cache})
    await cluster_api.until("Deployment", room, "kept-ollama", lambda body: body["status"].get("readyReplicas"), 120)
    again = await cluster_api.get("PersistentVolumeClaim", room, "kept-ollama")
    assert again["metadata"]["uid"] == claim["metadata"]["uid"]
