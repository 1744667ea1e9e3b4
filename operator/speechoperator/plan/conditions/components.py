"""The states of all components of a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api.names import COMPONENTS, object_name
from speechoperator.kube import objects
from speechoperator.kube.kinds import PVC
from speechoperator.kube.objects import Ref
from speechoperator.plan.conditions import availability, inputs, refused_writes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object
    from speechoperator.plan.conditions.availability import ComponentState
    from speechoperator.plan.conditions.findings import Finding
    from speechoperator.plan.replicas import Replicas
    from speechoperator.plan.snapshot import Snapshot, WriteFailure

_EXPOSURE_KINDS = frozenset({"Ingress", "HTTPRoute"})


def component_states(
    pipeline: SpeechPipeline,
    snapshot: Snapshot,
    manifests: Collection[Object],
    replicas: Mapping[Component, Replicas],
    outdated: Collection[Ref],
    failures: Iterable[WriteFailure],
    now: datetime,
    node_grace_s: float,
    waiting: frozenset[str] = frozenset(),
) -> tuple[ComponentState, ...]:
    """Return the states of Whisper, Ollama and the bridge.

    Args:
        pipeline: The pipeline.
        snapshot: The snapshot.
        manifests: The manifests of the pipeline.
        replicas: The replicas decided for each component.
        outdated: The objects that have yet to be written for the current spec.
        failures: The refused writes that still matter.
        now: The time.
        node_grace_s: Seconds a pod may wait for a node.
        waiting: Names of the Ollama pods that lack a model.
    """
    pvcs = {objects.name(manifest) for manifest in manifests if manifest["kind"] == PVC.name}
    refused = [(failure.ref, finding) for failure in failures if (finding := refused_writes.finding(failure))]
    states = []
    for component in COMPONENTS:
        serving = {"whisper": pipeline.spec.whisper, "ollama": pipeline.spec.ollama}.get(component)
        if serving and serving.url is not None:
            health = snapshot.external.get(component)
            states.append(availability.external(component, serving.url, health, has_auth=serving.auth is not None))
            continue
        name = object_name(pipeline.name, component)
        found = inputs.collect(
            component,
            pipeline,
            replicas[component],
            snapshot,
            [finding for ref, finding in refused if _belongs_to(ref, name) and ref.kind not in _EXPOSURE_KINDS],
            outdated=Ref("Deployment", name) in outdated,
            has_pvc=name in pvcs,
            node_grace_s=node_grace_s,
            waiting=waiting,
        )
        states.append(availability.managed(found, now))
    return tuple(states)


def exposure_findings(failures: Iterable[WriteFailure]) -> list[Finding]:
    """Return why the Ingress or the HTTPRoute could not be written."""
    relevant = (failure for failure in failures if failure.ref.kind in _EXPOSURE_KINDS)
    return [finding for failure in relevant if (finding := refused_writes.finding(failure))]


def _belongs_to(ref: Ref, name: str) -> bool:
    return ref.name == name or ref.name.startswith(f"{name}-")
