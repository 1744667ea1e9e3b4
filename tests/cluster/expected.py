"""A pipeline for tests, and what is to be found of it in the cluster."""

from collections.abc import Callable, Mapping
from typing import Any

from cluster.api import Api, ApiError, Object

KINDS = (
    *("ServiceAccount", "NetworkPolicy", "PersistentVolumeClaim", "Service", "PodDisruptionBudget", "ConfigMap"),
    *("Deployment", "HorizontalPodAutoscaler", "Ingress", "HTTPRoute"),
)
"""Everything the operator makes."""
SELECTOR = "app.kubernetes.io/managed-by=speechpipeline-operator"

PLAIN = {
    *(("ServiceAccount", f"p-{part}") for part in ("whisper", "ollama", "bridge")),
    *(("NetworkPolicy", f"p-{part}") for part in ("whisper", "ollama", "bridge")),
    *(("PersistentVolumeClaim", f"p-{part}") for part in ("whisper", "ollama")),
    *(("Service", name) for name in ("p-whisper", "p-whisper-pods", "p-ollama", "p-ollama-pods", "p-bridge")),
    *(("Deployment", f"p-{part}") for part in ("whisper", "ollama", "bridge")),
    *(("ConfigMap", f"p-{part}") for part in ("ollama", "bridge", "bridge-models")),
    ("PodDisruptionBudget", "p-bridge"),
}
"""The objects of a pipeline `p` with nothing but a model in its spec: (kind, name)."""
WITH_ITS_CLAIMS: Mapping[str, Any] = {
    "whisper": {"cache": {"whenDeleted": "Delete"}},
    "ollama": {"models": [{"name": "llama3"}], "cache": {"whenDeleted": "Delete"}},
}
"""The spec of a pipeline that takes its PVCs with it when it is deleted."""


def pipeline(namespace: str, name: str = "p", **spec: Any) -> Object:
    """A pipeline with one model; `spec` are fields of its spec."""
    return {
        "apiVersion": "speechpipeline.dev/v1alpha1",
        "kind": "SpeechPipeline",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ollama": {"models": [{"name": "llama3"}]}, **spec},
    }


async def objects(api: Api, namespace: str, name: str = "p") -> dict[tuple[str, str], Object]:
    """What there is of a pipeline: (kind, name) -> object."""
    found = {}
    for kind in KINDS:
        try:
            items = await api.list(kind, namespace, labelSelector=f"{SELECTOR},speechpipeline.dev/pipeline={name}")
        except ApiError as error:
            if error.code != 404:  # the Gateway API is not installed
                raise
            items = []
        found.update({(kind, item["metadata"]["name"]): item for item in items})
    return found


def condition(found: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """A condition of a pipeline or pod; empty when there is none."""
    conditions = found.get("status", {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == kind), {})


def ready(found: Mapping[str, Any]) -> bool:
    """For `api.until`: the pipeline is Ready as it stands in its spec."""
    told = condition(found, "Ready")
    return told.get("status") == "True" and told.get("observedGeneration") == found["metadata"]["generation"]


def says(kind: str, status: str, *words: str) -> Callable[[Object], bool]:
    """For `api.until`: a condition has this status, and its reason and message contain `words`."""

    def holds(found: Object) -> bool:
        told = condition(found, kind)
        text = f"{told.get('reason')} {told.get('message')}"
        return told.get("status") == status and all(word in text for word in words)

    return holds
