"""The HorizontalPodAutoscaler of the bridge, which scales on CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api.labels import metadata
from speechoperator.api.names import object_name

if TYPE_CHECKING:
    from speechoperator.api import BridgeScaling, SpeechPipeline
    from speechoperator.kube.objects import Object


def autoscaler(pipeline: SpeechPipeline, scaling: BridgeScaling) -> Object:
    """Return the HorizontalPodAutoscaler, with the default behavior of the cluster."""
    name = object_name(pipeline.name, "bridge")
    utilization = {"type": "Utilization", "averageUtilization": scaling.target_cpu_utilization}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(pipeline, "bridge", name),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": scaling.min_replicas,
            "maxReplicas": scaling.max_replicas,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": utilization}}],
        },
    }
