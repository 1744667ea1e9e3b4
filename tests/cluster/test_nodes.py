"""A node that never comes: what the cluster autoscaler says of it counts at once; its Events are of type Normal."""

from datetime import UTC, datetime

import pytest

from cluster.api import Api, Object
from cluster.expected import pipeline, says
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator, Stage
from cluster.pod_status import Unschedulable

pytestmark = pytest.mark.cluster

WITHIN_S = 10.0
REFUSAL = "pod didn't trigger scale-up: 1 max node group size reached"


async def test_a_gpu_that_never_arrives(stage: Stage, api: Api, namespace: str, kubelet: Kubelet) -> None:
    kubelet.fate = lambda pod: Unschedulable() if of_whisper(pod) else None
    async with Operator(stage, "autoscaled", UNSCHEDULABLE_GRACE="600"):
        await api.create(pipeline(namespace, whisper={"gpu": {"count": 1}}))
        waits = says("WhisperAvailable", "False", "WaitingForNode", "Insufficient nvidia.com/gpu")
        await api.until("SpeechPipeline", namespace, "p", waits, WITHIN_S)
        [pod] = filter(of_whisper, await api.list("Pod", namespace))

        await api.create(from_autoscaler(pod, "NotTriggerScaleUp", REFUSAL))
        refused = says("Ready", "False", "Unschedulable", "Insufficient nvidia.com/gpu", REFUSAL)
        await api.until("SpeechPipeline", namespace, "p", refused, WITHIN_S)

        await api.create(from_autoscaler(pod, "TriggeredScaleUp", "pod triggered scale-up: [{gpus 0->1 (max: 2)}]"))
        await api.until("SpeechPipeline", namespace, "p", waits, WITHIN_S)


def of_whisper(pod: Object) -> bool:
    return str(pod["metadata"]["labels"]["app.kubernetes.io/component"]) == "whisper"


def from_autoscaler(pod: Object, reason: str, message: str) -> Object:
    """An Event as the cluster autoscaler records it."""
    meta, now = pod["metadata"], datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    about = {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{meta['name']}.{reason.lower()}", "namespace": meta["namespace"]},
        "involvedObject": {"apiVersion": "v1", **about},
        "type": "Normal",
        "reason": reason,
        "message": message,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "source": {"component": "cluster-autoscaler"},
    }
