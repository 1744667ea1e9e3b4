"""Kinds of objects that a pipeline consists of, and kinds that the operator watches."""

from __future__ import annotations

from speechoperator.api.pipeline import GROUP, KIND, PLURAL, VERSION
from speechoperator.kube.kinds import CRD, POD, PVC, Kind

_NETWORK = "networking.k8s.io"

PIPELINE = Kind(KIND, PLURAL, VERSION, GROUP)
ROUTE = Kind("HTTPRoute", "httproutes", group="gateway.networking.k8s.io")
BUILT = (
    Kind("Deployment", "deployments", group="apps"),
    Kind("Service", "services"),
    Kind("ConfigMap", "configmaps"),
    Kind("ServiceAccount", "serviceaccounts"),
    PVC,
    Kind("PodDisruptionBudget", "poddisruptionbudgets", group="policy"),
    Kind("NetworkPolicy", "networkpolicies", group=_NETWORK),
    Kind("HorizontalPodAutoscaler", "horizontalpodautoscalers", "v2", "autoscaling"),
    Kind("Ingress", "ingresses", group=_NETWORK),
    ROUTE,
)
"""Kinds of the objects that the operator creates for a pipeline."""
PRUNED = tuple(kind for kind in BUILT if kind != PVC)
"""Kinds of objects that are deleted once the spec no longer needs them. A PVC holds data: it is orphaned instead."""
WATCHED = (PIPELINE, *BUILT, POD)
OPTIONAL = frozenset({ROUTE})
"""Kinds that the cluster may lack: an error only when a pipeline needs one."""

BY_NAME = {kind.name: kind for kind in (*WATCHED, CRD)}
