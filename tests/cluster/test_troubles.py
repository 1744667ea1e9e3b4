"""What keeps a pipeline from serving is named in a condition within ten seconds, in the words of who knows."""

from collections.abc import Callable
from typing import Any

import pytest

from cluster.api import Api, Object
from cluster.expected import pipeline, ready, says
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator
from cluster.pod_status import Fate, Unschedulable, crashing, no_image
from fakes.faults import StreamError
from fakes.ollama_pod import DISK_FULL, is_pull

pytestmark = pytest.mark.cluster

WITHIN_S = 10.0


def whisper_only(fate: Fate) -> Callable[[Object], Fate | None]:
    return lambda pod: fate if pod["metadata"]["labels"]["app.kubernetes.io/component"] == "whisper" else None


NO_GPU = Unschedulable()
FATES: dict[str, tuple[Fate, tuple[str, ...]]] = {
    "image": (no_image("speechpipeline/whisper:0.1.0"), ("ImagePullBackOff", "failed to pull and unpack image")),
    "crash": (crashing("whisper", "ValueError: no such model: huge"), ("CrashLoopBackOff", "no such model: huge")),
    "gpu": (NO_GPU, ("Unschedulable", "Insufficient nvidia.com/gpu")),
}


@pytest.mark.parametrize("what", FATES)
async def test_a_pod_that_cannot_serve(
    what: str, operator: Operator, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    assert operator
    fate, words = FATES[what]
    kubelet.fate = whisper_only(fate)
    await api.create(pipeline(namespace, whisper={"gpu": {"count": 1}}))
    await api.until("SpeechPipeline", namespace, "p", says("WhisperAvailable", "False", *words), WITHIN_S)
    await api.until("SpeechPipeline", namespace, "p", says("Ready", "False", *words), WITHIN_S)
    kubelet.fate = lambda _: None
    await kubelet.requeue_after()
    await api.until("SpeechPipeline", namespace, "p", ready)


async def test_a_pod_template_with_a_field_that_no_pod_has(operator: Operator, api: Api, namespace: str) -> None:
    """The API server answers 500, which would otherwise pass for a server that is failing and be retried forever."""
    assert operator
    template = {"spec": {"containers": [{"name": "whisper", "volumeMount": []}]}}
    await api.create(pipeline(namespace, whisper={"podTemplate": template}))

    words = ("WriteRejected", "containers", ".volumeMount: field not declared in schema")
    await api.until("SpeechPipeline", namespace, "p", says("WhisperAvailable", "False", *words), WITHIN_S)
    await api.until("SpeechPipeline", namespace, "p", says("Ready", "False", *words), WITHIN_S)


async def test_a_claim_that_is_not_bound(operator: Operator, api: Api, namespace: str, kubelet: Kubelet) -> None:
    assert operator
    kubelet.bind_claims = False
    kubelet.fate = whisper_only(
        Unschedulable("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.")
    )
    await api.create(pipeline(namespace, whisper={"cache": {"storageClassName": "fast"}}))
    claim = await api.until("PersistentVolumeClaim", namespace, "p-whisper", lambda found: found)
    words = 'storageclass.storage.k8s.io "fast" not found'
    await api.create(warning(claim, "PersistentVolumeClaim", "ProvisioningFailed", words))
    await api.until("SpeechPipeline", namespace, "p", says("Ready", "False", "PVCNotBound", words), WITHIN_S)


async def test_a_name_that_is_somebody_elses(operator: Operator, api: Api, namespace: str, kubelet: Kubelet) -> None:
    assert operator
    assert kubelet
    selector = {"app": "phone"}
    theirs = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "p-bridge", "namespace": namespace, "labels": selector},
        "spec": {"selector": selector, "ports": [{"name": "http", "port": 81}]},
    }
    before = await api.create(theirs)
    await api.create(pipeline(namespace))
    words = ("NameConflict", "Service p-bridge", "did not create", "spec.selector")
    await api.until("SpeechPipeline", namespace, "p", says("Ready", "False", *words), WITHIN_S)
    assert await api.get("Service", namespace, "p-bridge") == before

    await api.delete("Service", namespace, "p-bridge")
    await api.until("SpeechPipeline", namespace, "p", ready)


def warning(about: Object, kind: str, reason: str, message: str) -> Object:
    """An Event as Kubernetes' own parts record it."""
    meta = about["metadata"]
    reference = {"kind": kind, "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}
    now = meta["creationTimestamp"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{meta['name']}.1", "namespace": meta["namespace"]},
        "involvedObject": {"apiVersion": "v1", **reference},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "source": {"component": "persistentvolume-controller"},
    }


async def quota(api: Api, namespace: str, **hard: str) -> None:
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": hard}}
    await api.create(body, namespace)
    await api.until("ResourceQuota", namespace, "q", lambda found: found.get("status", {}).get("hard"))


async def test_pods_over_the_quota(operator: Operator, api: Api, namespace: str, kubelet: Kubelet) -> None:
    assert operator
    assert kubelet
    await quota(api, namespace, pods="2")
    await api.create(pipeline(namespace))
    await api.until("SpeechPipeline", namespace, "p", says("Ready", "False", "exceeded quota: q"), WITHIN_S)


async def test_claims_over_the_quota(operator: Operator, api: Api, namespace: str, kubelet: Kubelet) -> None:
    assert operator
    assert kubelet
    await quota(api, namespace, persistentvolumeclaims="0")
    await api.create(pipeline(namespace))
    await api.until(
        "SpeechPipeline", namespace, "p", says("Ready", "False", "QuotaExceeded", "exceeded quota: q"), WITHIN_S
    )
    await api.delete("ResourceQuota", namespace, "q")
    await api.until("SpeechPipeline", namespace, "p", ready)


async def test_an_ingress_class_that_is_not_there(
    operator: Operator, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    assert operator
    assert kubelet
    exposed: dict[str, Any] = {"ingress": {"host": "speech.example.com", "className": "nginx"}}
    await api.create(pipeline(namespace, bridge=exposed))
    await api.until(
        "SpeechPipeline", namespace, "p", says("Exposed", "False", "IngressClassMissing", "nginx"), WITHIN_S
    )


async def test_a_model_that_is_nowhere(operator: Operator, api: Api, namespace: str, kubelet: Kubelet) -> None:
    assert operator
    assert kubelet
    await api.create(pipeline(namespace, ollama={"models": [{"name": "llama33"}]}))
    words = "pull model manifest: file does not exist"
    await api.until("SpeechPipeline", namespace, "p", says("ModelsReady", "False", "PullFailed", words), WITHIN_S)


async def test_a_full_disk_until_it_has_room(operator: Operator, api: Api, namespace: str, kubelet: Kubelet) -> None:
    assert operator
    kubelet.prepare = lambda fake: fake.script(StreamError(3, DISK_FULL), only=is_pull)
    await api.create(pipeline(namespace))
    await api.until("SpeechPipeline", namespace, "p", says("ModelsReady", "False", "no space left on device"), WITHIN_S)
    await api.until("SpeechPipeline", namespace, "p", ready)
    [fake] = await kubelet.ollama()
    assert len(fake.pulls) == 2
    assert fake.volume.most_at_once == 1
