"""Which nodes a component's pods run on, and the credentials for their images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.labels import selector
from speechoperator.plan.manifests.containers import without_nulls

if TYPE_CHECKING:
    from speechoperator.api import ComponentSpec, Gpu, SpeechPipeline, Toleration
    from speechoperator.api.names import Component
    from speechoperator.settings import Settings

_GPU_TAINTS = {"nvidia.com": "nvidia.com/gpu", "amd.com": "amd.com/gpu"}
"""Taints of GPU nodes by the vendor of the resource. A MIG slice (`nvidia.com/mig-1g.10gb`) and a time-sliced GPU
(`nvidia.com/gpu.shared`) are resources of nodes with the same taint."""


def placement(spec: ComponentSpec, settings: Settings, gpu: Gpu | None) -> dict[str, Any]:
    """Return the fields that control scheduling and image pulls."""
    secrets = dict.fromkeys((*(secret.name for secret in spec.image_pull_secrets), *settings.image_pull_secrets))
    fields = {
        "imagePullSecrets": [{"name": name} for name in secrets],
        "nodeSelector": spec.node_selector,
        "tolerations": [*_given_tolerations(spec), *_gpu_toleration(spec, gpu)],
        "affinity": without_nulls(spec.affinity),
        "runtimeClassName": spec.runtime_class_name,
        "priorityClassName": spec.priority_class_name,
    }
    return {name: value for name, value in fields.items() if value}


def spread(pipeline: SpeechPipeline, component: Component) -> list[dict[str, Any]]:
    """Return constraints that prefer different nodes and zones for the replicas of a component.

    They are preferences: GPUs of one node are used when there are no others. A single replica has them too: otherwise
    its pod would be replaced when `scaling` allows a second one.
    """
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector(pipeline.name, component)},
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def _given_tolerations(spec: ComponentSpec) -> list[dict[str, Any]]:
    """Return the tolerations in the spec, each once."""
    return [one.manifest() for one in dict.fromkeys(spec.tolerations)]


def _gpu_toleration(spec: ComponentSpec, gpu: Gpu | None) -> list[dict[str, Any]]:
    """Return a toleration of the taint by which GPU nodes are commonly reserved, unless the spec has one."""
    if gpu is None or not gpu.count:
        return []
    taint = _GPU_TAINTS.get(gpu.resource_name.partition("/")[0], gpu.resource_name)
    if any(_tolerates(one, taint) for one in spec.tolerations):
        return []
    return [{"key": taint, "operator": "Exists", "effect": "NoSchedule"}]


def _tolerates(toleration: Toleration, taint: str) -> bool:
    """Return whether a toleration matches the taint with the effect NoSchedule, whatever its value."""
    return (
        toleration.key in {None, "", taint}
        and toleration.operator == "Exists"
        and toleration.effect in {None, "NoSchedule"}
    )
