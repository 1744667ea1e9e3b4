"""The live objects are made to say what the spec says, whoever changed which; what others added stays."""

from typing import Any

import pytest

from cluster.api import JSON_PATCH, Api, Object
from cluster.expected import objects, pipeline, ready
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator

pytestmark = pytest.mark.cluster

EVERYTHING: dict[str, Any] = {
    "ollama": {"models": [{"name": "llama3"}], "cache": {"ephemeral": True}, "scaling": {"maxReplicas": 2}},
    "bridge": {
        "scaling": {"minReplicas": 1, "maxReplicas": 3},
        "ingress": {"host": "speech.example.com", "className": "traefik"},
    },
}
"""A spec that makes one of every kind of object, but for the HTTPRoute."""


@pytest.fixture
async def served(operator: Operator, api: Api, namespace: str, kubelet: Kubelet) -> Object:
    """The pipeline `p`, with everything, ready."""
    assert operator
    assert kubelet
    await api.create(pipeline(namespace, **EVERYTHING))
    return await api.until("SpeechPipeline", namespace, "p", ready)


async def test_whatever_is_deleted_comes_back(api: Api, namespace: str, served: Object) -> None:
    assert served
    before = await objects(api, namespace)
    for kind, name in before:
        if kind != "PersistentVolumeClaim":  # a pod uses it, so it stays until the pod is gone
            await api.delete(kind, namespace, name)
    for (kind, name), item in before.items():
        if kind != "PersistentVolumeClaim":
            uid = item["metadata"]["uid"]
            await api.until(kind, namespace, name, lambda found, uid=uid: found["metadata"]["uid"] != uid)


EDITS: tuple[tuple[str, str, str, Any], ...] = (
    ("Deployment", "p-whisper", "/spec/template/spec/containers/0/image", "nginx"),
    ("Deployment", "p-ollama", "/spec/replicas", 0),
    ("Service", "p-bridge", "/spec/ports/0/port", 81),
    ("ConfigMap", "p-bridge", "/data/WHISPER_URL", "http://elsewhere"),
    ("ServiceAccount", "p-bridge", "/automountServiceAccountToken", True),
    ("NetworkPolicy", "p-ollama", "/spec/ingress", []),
    ("PodDisruptionBudget", "p-bridge", "/spec/maxUnavailable", 7),
    ("HorizontalPodAutoscaler", "p-bridge", "/spec/maxReplicas", 9),
    ("Ingress", "p-bridge", "/spec/rules/0/host", "evil.example.com"),
    ("Deployment", "p-bridge", "/metadata/labels/app.kubernetes.io~1component", "whisper"),
    ("Deployment", "p-bridge", "/metadata/ownerReferences", []),
)


def at(found: Object, pointer: str) -> Any:
    """What stands at a JSON pointer; None where nothing does."""
    value: Any = found
    for step in (step.replace("~1", "/") for step in pointer.split("/")[1:]):
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (LookupError, ValueError):
            return None
    return value


async def test_whatever_is_edited_is_put_right(api: Api, namespace: str, served: Object) -> None:
    assert served
    for kind, name, pointer, value in EDITS:
        before = at(await api.get(kind, namespace, name), pointer)
        assert before != value
        edit = [{"op": "replace", "path": pointer, "value": value}]
        await api.patch(kind, namespace, name, edit, content_type=JSON_PATCH, fieldManager="somebody")
        await api.until(kind, namespace, name, lambda found, p=pointer, b=before: at(found, p) == b)


async def test_an_object_without_our_label_is_still_ours(api: Api, namespace: str, served: Object) -> None:
    assert served
    edit = [
        {"op": "remove", "path": "/metadata/labels/app.kubernetes.io~1managed-by"},
        {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx"},
    ]
    await api.patch("Deployment", namespace, "p-whisper", edit, content_type=JSON_PATCH, fieldManager="somebody")
    repaired = await api.until("Deployment", namespace, "p-whisper", lambda found: image(found, "whisper") != "nginx")
    assert "app.kubernetes.io/managed-by" in repaired["metadata"]["labels"]

    await api.patch("Deployment", namespace, "p-whisper", edit[1:], content_type=JSON_PATCH, fieldManager="somebody")
    await api.until("Deployment", namespace, "p-whisper", lambda found: image(found, "whisper") != "nginx")
    pipeline = await api.get("SpeechPipeline", namespace, "p")
    assert "WriteConflict" not in str(pipeline["status"]["conditions"]), "the operator sees it again"


async def test_what_others_add_stays(operator: Operator, api: Api, namespace: str, served: Object) -> None:
    assert served
    sidecar = {"name": "istio-proxy", "image": "istio/proxyv2"}
    added = {
        "metadata": {"annotations": {"example.com/owner": "team-a"}, "labels": {"cost-centre": "42"}},
        "spec": {
            "template": {
                "metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-11-23T00:00:00Z"}},
                "spec": {"containers": [sidecar]},
            }
        },
    }
    await api.patch("Deployment", namespace, "p-bridge", added, content_type="application/strategic-merge-patch+json")
    edit = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx"}]
    bridge = await api.get("Deployment", namespace, "p-bridge")
    index = [one["name"] for one in bridge["spec"]["template"]["spec"]["containers"]].index("bridge")
    edit[0]["path"] = f"/spec/template/spec/containers/{index}/image"
    await api.patch("Deployment", namespace, "p-bridge", edit, content_type=JSON_PATCH)
    repaired = await api.until("Deployment", namespace, "p-bridge", lambda found: image(found, "bridge") != "nginx")
    assert operator
    assert image(repaired, "istio-proxy") == sidecar["image"]
    assert repaired["metadata"]["annotations"]["example.com/owner"] == "team-a"
    assert repaired["metadata"]["labels"]["cost-centre"] == "42"
    template = repaired["spec"]["template"]["metadata"]
    assert template["annotations"]["kubectl.kubernetes.io/restartedAt"] == "2026-11-23T00:00:00Z"


def image(deployment: Object, container: str) -> str:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return next((str(one["image"]) for one in containers if one["name"] == container), "")
