"""Names of the objects of a pipeline, ports of its components, and annotations."""

from __future__ import annotations

from typing import Literal, TypeAlias

Component: TypeAlias = Literal["whisper", "ollama", "bridge"]
"""A component of a pipeline: the value of the label `app.kubernetes.io/component`."""

COMPONENTS: tuple[Component, ...] = ("whisper", "ollama", "bridge")

PORTS: dict[Component, int] = {"whisper": 9000, "ollama": 11434, "bridge": 8080}

REPLICAS = "spec.replicas"
"""The field of a Deployment that the scaler owns."""

DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
"""Annotation of a ReplicaSet with the replicas of its Deployment, by which Kubernetes notices a change of them."""

POD_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
"""Pod annotation by which a ReplicaSet chooses the pods to delete: those with the lowest cost first."""

INGRESS_CLASS_ANNOTATION = "kubernetes.io/ingress.class"
"""The annotation by which controllers without an IngressClass, such as GKE's, recognize their Ingresses."""
REQUIRED_MODELS = "models"
"""Key in the ConfigMap of Ollama: the models that a pod must have to be ready, one per line, the default first."""

CACHE_VOLUME = "cache"
"""The volume with the models in the pods of Whisper and Ollama."""

FETCH = "fetch"
"""The init container of Whisper pods that fetches the weights."""

SETTINGS_HASH = "speechpipeline.dev/settings-hash"
"""Pod annotation that triggers a rollout of the bridge when its environment changes."""

MODELS_REVISION = "speechpipeline.dev/models-revision"
"""Pod annotation that makes the kubelet bring a new list of models to a bridge at once."""

INPUTS_HASH = "speechpipeline.dev/inputs-hash"
"""Annotation of Deployments: the hash of the part of the spec that the pods are built from."""

TEMPLATE_HASH = "speechpipeline.dev/template-hash"
"""Annotation of Deployments: the hash of the pod template as the operator built it."""


def object_name(pipeline: str, component: Component) -> str:
    """Return the name of a component's objects of any kind: `support-calls-whisper`."""
    return f"{pipeline}-{component}"


def pods_service(pipeline: str, component: Component) -> str:
    """Return the name of the headless Service, which resolves to the component's ready pods."""
    return f"{pipeline}-{component}-pods"
