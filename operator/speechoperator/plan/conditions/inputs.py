"""The inputs of a component's conditions, collected from the pipeline, the decisions and the snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from speechoperator.api import labels
from speechoperator.api.names import object_name
from speechoperator.kube import objects
from speechoperator.kube.kinds import PVC
from speechoperator.kube.objects import Ref

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object
    from speechoperator.plan.conditions.findings import Finding
    from speechoperator.plan.replicas import Replicas
    from speechoperator.plan.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that the conditions of a managed component depend on.

    Attributes:
        component: The component.
        desired: Desired number of replicas, including those added by a HorizontalPodAutoscaler.
        required: Replicas that must be ready for the component to be available.
        replicas_reason: Why this number of replicas was chosen.
        gpu: The extended resource by which it requests GPUs, empty without GPUs.
        suspended: Whether the pipeline is suspended.
        outdated: Whether its Deployment has yet to be written for the current spec.
        deployment: Its Deployment.
        pvc: The PVC created for it; None if the spec does not ask for one.
        cache_size: The size of it in the spec; empty without a PVC.
        pods: Its pods by name, including terminating and finished ones.
        pod_warnings: As in `Snapshot`.
        waiting: Names of the pods that wait for their models.
        pvc_warning: The newest Warning Event of the PVC, empty if none.
        refused: Findings about writes of its objects.
        node_grace_s: Seconds a pod may wait for a node.
    """

    component: Component
    desired: int
    required: int
    replicas_reason: str = ""
    gpu: str = ""
    suspended: bool = False
    outdated: bool = False
    deployment: Object | None = None
    pvc: Object | None = None
    cache_size: str = ""
    pods: Sequence[Object] = ()
    pod_warnings: Mapping[str, str] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    pvc_warning: str = ""
    refused: Sequence[Finding] = ()
    node_grace_s: float = 0.0

    def waits_for_models(self, pod: Object) -> bool:
        """Return whether a pod runs and becomes ready once it has its models."""
        return objects.name(pod) in self.waiting and objects.running(pod) and not objects.holds(pod, "Ready")

    @property
    def active_pods(self) -> list[Object]:
        """The pods that are neither terminating nor finished."""
        return [pod for pod in self.pods if objects.alive(pod)]

    def draining_pods(self, now: datetime) -> list[Object]:
        """Return the terminating pods that finish their last requests."""
        return [pod for pod in self.pods if objects.seconds_of_drain(pod, now) is not None]


def collect(
    component: Component,
    pipeline: SpeechPipeline,
    replicas: Replicas,
    snapshot: Snapshot,
    refused: Sequence[Finding],
    *,
    outdated: bool,
    has_pvc: bool,
    node_grace_s: float,
    waiting: frozenset[str],
) -> Inputs:
    """Return the inputs of a managed component."""
    name = object_name(pipeline.name, component)
    deployment = snapshot.objects.get(Ref("Deployment", name))
    live = (deployment or {}).get("spec", {}).get("replicas")
    serving = {"whisper": pipeline.spec.whisper, "ollama": pipeline.spec.ollama}.get(component)
    return Inputs(
        component,
        # A number that is left to a HorizontalPodAutoscaler is the one in the Deployment.
        desired=replicas.target if replicas.target is not None else max(live or 0, replicas.required),
        required=replicas.required,
        replicas_reason=replicas.reason,
        gpu=serving.gpu.resource_name if serving and serving.gpu and serving.gpus else "",
        suspended=pipeline.spec.suspend,
        outdated=outdated,
        deployment=deployment,
        pvc=snapshot.objects.get(Ref(PVC.name, name)) if has_pvc else None,
        cache_size=serving.storage.size if serving and has_pvc else "",
        pods=sorted((pod for pod in snapshot.pods if labels.component_of(pod) == component), key=objects.name),
        pod_warnings=snapshot.pod_warnings,
        waiting=waiting,
        pvc_warning=snapshot.pvc_warnings.get(name, ""),
        refused=refused,
        node_grace_s=node_grace_s,
    )
