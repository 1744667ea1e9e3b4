"""Once everything is as the spec says, the operator writes nothing but its Lease."""

import pytest

from cluster.api import Api
from cluster.audit import Call
from cluster.expected import objects, pipeline, ready
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator, Stage
from cluster.waiting import until

pytestmark = pytest.mark.cluster

EVERYTHING = {
    "bridge": {
        "scaling": {"minReplicas": 1, "maxReplicas": 3},
        "ingress": {"host": "speech.example.com", "className": "traefik"},
        "gateway": None,
        "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"memory": "2048Mi"}},
        "env": [{"name": "LOG_LEVEL", "value": "debug"}],
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
                }
            }
        },
    },
    "whisper": {"gpu": {"count": 1}, "cache": {"size": "2048Mi"}, "podAnnotations": {"example.com/a": "b"}},
    "ollama": {
        "models": [{"name": "llama3"}],
        "cache": {"ephemeral": True, "size": "10Gi"},
        "scaling": {"minReplicas": 2, "maxReplicas": 2},
        "imagePullSecrets": [{"name": "registry"}],
    },
}
"""A spec with values that the API server writes otherwise than a user does."""


async def test_nothing_is_written_though_all_is_looked_at_again(
    stage: Stage, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    assert kubelet
    audit, user = stage.plane.audit, stage.identity.user
    async with Operator(stage, RESYNC_INTERVAL="0.5"):
        for name, spec in (("p", EVERYTHING), ("other", {})):
            await api.create(pipeline(namespace, name, **spec))
            await api.until("SpeechPipeline", namespace, name, ready)
        await a_change_of_the_other(api, namespace, replicas=1)
        mark = audit.mark()
        for kind, name in await objects(api, namespace):  # news of every object, and nothing to do
            await api.patch(kind, namespace, name, {"metadata": {"labels": {"example.com/seen": "yes"}}})
        await until(lambda: {"speechpipelines", "pods"} <= listed(audit.calls(user, since=mark)))
        await a_change_of_the_other(api, namespace, replicas=2)
        # Pipelines of earlier tests may be in namespaces that are still terminating: only this one's counts.
        writes = [
            call for call in audit.writes(user, since=mark) if call.namespace == namespace and call.name.startswith("p")
        ]
        assert writes == []


def listed(calls: list[Call]) -> set[str]:
    return {call.resource for call in calls if call.verb == "list"}


async def a_change_of_the_other(api: Api, namespace: str, replicas: int) -> None:
    """Have something done, so that all that happened before has been looked at when it is done."""
    await api.patch("SpeechPipeline", namespace, "other", {"spec": {"bridge": {"replicas": replicas}}})
    await api.until("SpeechPipeline", namespace, "other", ready)
