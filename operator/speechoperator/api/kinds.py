"""The kinds of objects that a SpeechPipeline is made of, and those that the operator watches."""

from __future__ import annotations

from speechoperator.api.pipeline import GROUP, KIND, PLURAL, VERSION
from speechoperator.kube.kinds import CLAIM, CRD, POD, Kind

_NETWORK = "networking.k8s.io"

PIPELINE = Kind(KIND, PLURAL, VERSION, GROUP)
ROUTE = Kind("HTTPRoute", "httproutes", group="gateway.networking.k8s.io")
BUILT = (
    Kind("Deployment", "deployments", group="apps"),
    Kind("Service", "services"),
    Kind("ConfigMap", "configmaps"),
    Kind("ServiceAccount", "serviceaccounts"),
    CLAIM,
    Kind("PodDisruptionBudget", "poddisruptionbudgets", group="policy"),
    Kind("NetworkPolicy", "networkpolicies", group=_NETWORK),
    Kind("HorizontalPodAutoscaler", "horizontalpodautoscalers", "v2", "autoscaling"),
    Kind("Ingress", "ingresses", group=_NETWORK),
    ROUTE,
)
"""What a pipeline is made of."""
PRUNED = tuple(kind for kind in BUILT if kind != CLAIM)
"""What is deleted once the spec no longer asks for it. A PVC holds data, so it is orphaned instead."""
WATCHED = (PIPELINE, *BUILT, POD)
OPTIONAL = frozenset({ROUTE})
"""What a cluster need not have: its absence is no fault until a pipeline asks for one."""

BY_NAME = {kind.name: kind for kind in (*WATCHED, CRD)}
