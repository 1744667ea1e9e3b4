"""Pipelines on the shared cluster: their objects, and waiting for what they come to be."""

import json
from dataclasses import dataclass
from typing import Any

from cluster.api import Api, Object
from e2e.kind_cluster import KindCluster
from speechlocal import models, paths
from speechlocal.cluster import platform
from speechlocal.images import catalog

WHISPER = catalog.tag("whisper-tiny.en")
REGISTRY = "model-registry.models.svc.cluster.local:5000/library/smollm2"
MODEL = models.LLM_NAME
READY_WITHIN_S = 240
LITTLE = {"requests": {"cpu": "20m", "memory": "128Mi"}}


def pipeline(name: str, **spec: Any) -> Object:
    """A pipeline small enough for two cores: tiny.en from its image, SmolLM2 from the cluster's registry.

    `spec` is merged in part by part; a part given as a `url` stands alone, and None takes a field away.
    """
    parts: dict[str, Any] = {
        "whisper": {"image": WHISPER, "model": "/models/tiny.en", "cache": {"ephemeral": True}, "resources": LITTLE},
        "ollama": {
            "models": [{"name": MODEL, "source": f"{REGISTRY}:135m", "insecure": True}],
            "cache": {"size": "1Gi"},
            "resources": LITTLE,
        },
        "bridge": {"replicas": 1, "resources": LITTLE, "ingress": {"host": host(name), "className": "traefik"}},
    }
    for part, wanted in spec.items():
        managed = isinstance(wanted, dict) and "url" not in wanted and part in parts
        merged = {**parts[part], **wanted} if managed else wanted
        parts[part] = {field: value for field, value in merged.items() if value is not None} if managed else merged
    if "url" in parts["ollama"]:
        parts["ollama"] = {"models": [{"name": MODEL}], **parts["ollama"]}
    return {
        "apiVersion": "speechpipeline.dev/v1alpha1",
        "kind": "SpeechPipeline",
        "metadata": {"name": name},
        "spec": parts,
    }


def host(name: str) -> str:
    return f"{name}.localhost"


def condition(body: Object, kind: str) -> dict[str, str]:
    """A condition of a pipeline, {} while it has none of this type."""
    found = body.get("status", {}).get("conditions", ())
    return next((one for one in found if one["type"] == kind), {})


def settled(body: Object) -> bool:
    """Whether the pipeline is ready and nothing is under way, for the spec as it is now."""
    return (
        body.get("status", {}).get("observedGeneration") == body["metadata"]["generation"]
        and condition(body, "Ready").get("status") == "True"
        and condition(body, "Progressing").get("status") == "False"
    )


@dataclass(frozen=True)
class Deployed:
    """A cluster with the platform on it, what its making showed, and the answer to its first recording."""

    cluster: KindCluster
    shown: str
    answer: dict[str, Any]


@dataclass(frozen=True)
class Service:
    """One pipeline that a test works with."""

    api: Api
    cluster: KindCluster
    namespace: str
    name: str

    @property
    def host(self) -> str:
        return host(self.name)

    async def apply(self, **spec: Any) -> Object:
        return await self.api.apply(pipeline(self.name, **spec), self.namespace, manager="e2e")

    async def edit(self, **spec: Any) -> Object:
        """Change what is named, as `kubectl edit` does, and wait until it is in force."""
        await self.api.patch("SpeechPipeline", self.namespace, self.name, {"spec": spec})
        return await self.settle()

    async def settle(self, within_s: float = READY_WITHIN_S) -> Object:
        return await self.api.until("SpeechPipeline", self.namespace, self.name, settled, within_s)

    async def says(self, kind: str, word: str, within_s: float) -> dict[str, str]:
        """Wait until a condition is false and its message has `word`; the condition."""

        def named(body: Object) -> bool:
            one = condition(body, kind)
            return one.get("status") == "False" and word in one["message"]

        body = await self.api.until("SpeechPipeline", self.namespace, self.name, named, within_s)
        return condition(body, kind)

    async def deployment(self, part: str) -> Object:
        return await self.api.get("Deployment", self.namespace, f"{self.name}-{part}")

    async def container(self, part: str) -> Object:
        """The container of a part as its Deployment has it."""
        (found,) = (await self.deployment(part))["spec"]["template"]["spec"]["containers"]
        assert isinstance(found, dict)
        return found

    async def bridge_settings(self) -> dict[str, str]:
        settings: dict[str, str] = (await self.api.get("ConfigMap", self.namespace, f"{self.name}-bridge"))["data"]
        return settings

    async def pods(self, part: str) -> list[Object]:
        labels = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={part}"
        return await self.api.list("Pod", self.namespace, labelSelector=labels)


def install(cluster: KindCluster, *arguments: str) -> str:
    """Install the chart as `make cluster` does, or upgrade it with other values."""
    release = ("upgrade", "--install", platform.RELEASE, paths.CHART, "--namespace", platform.NAMESPACE)
    options = ("--create-namespace", "--values", platform.VALUES, "--wait", "--timeout", "180s")
    return cluster.helm(*release, *options, *arguments)


def wait_ready(cluster: KindCluster, namespace: str, name: str) -> Object:
    """Wait with kubectl, as a user would; the pipeline."""
    cluster.kubectl("-n", namespace, "wait", f"sp/{name}", "--for=condition=Ready", f"--timeout={READY_WITHIN_S}s")
    found: Object = json.loads(cluster.kubectl("-n", namespace, "get", "sp", name, "-o", "json"))
    return found
