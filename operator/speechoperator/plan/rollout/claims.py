"""A move to an existing PVC (`cache.existingClaim`): the pods keep their previous volume until the PVC can be used.

A misspelt name must not replace pods that serve by pods that cannot start. A pipeline that has no pods yet moves
nothing: its pods report what they miss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechoperator.api.names import object_name
from speechoperator.kube import objects
from speechoperator.kube.objects import Ref

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object
    from speechoperator.plan.snapshot import Snapshot

_WAITS_FOR_POD = "WaitForFirstConsumer"
_WRITABLE = frozenset({"ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"})


@dataclass(frozen=True, slots=True)
class Move:
    """A component that is to mount another PVC than its Deployment does.

    Attributes:
        component: The component.
        deployment: The name of its Deployment.
        claim: The PVC to move to.
    """

    component: Component
    deployment: str
    claim: str


def moves(pipeline: SpeechPipeline, live: Mapping[Ref, Object]) -> tuple[Move, ...]:
    """Return the moves to an existing PVC that are not made yet.

    Args:
        pipeline: The pipeline.
        live: The existing objects.
    """
    parts: tuple[tuple[Component, str | None], ...] = (
        ("whisper", pipeline.spec.whisper.storage.existing_claim if pipeline.spec.whisper.managed else None),
        ("ollama", pipeline.spec.ollama.storage.existing_claim if pipeline.spec.ollama.managed else None),
    )
    found = []
    for component, claim in parts:
        name = object_name(pipeline.name, component)
        deployment = live.get(Ref("Deployment", name))
        if claim and deployment and claim not in objects.mounts(deployment["spec"]["template"]):
            found.append(Move(component, name, claim))
    return tuple(found)


def obstacle(claims: Sequence[Object], name: str, event: str = "") -> str:
    """Return why a PVC cannot be used, empty if it can.

    A pending PVC can be used only if it waits for its first pod.

    Args:
        claims: The PVCs of this name: one or none.
        name: The name.
        event: The reason of its newest Event, if it is pending: "WaitForFirstConsumer", "ProvisioningFailed".
    """
    subject = f'persistentvolumeclaim "{name}"'
    if not claims:
        return f"{subject} not found"
    claim = claims[0]
    if objects.terminating(claim):
        return f"{subject} is being deleted"
    phase = objects.status(claim).get("phase")
    if phase == "Lost":
        return f"the volume of {subject} is lost"
    if phase == "Pending" and event != _WAITS_FOR_POD:
        return f"{subject} is not bound{event and f': {event}'}"
    if _WRITABLE.isdisjoint(claim.get("spec", {}).get("accessModes") or _WRITABLE):
        return f"{subject} is read-only, and models are written to it"
    return ""


def blocked(found: Iterable[Move], snapshot: Snapshot) -> tuple[Move, ...]:
    """Return the moves to PVCs that cannot be used, or of which nothing is known yet."""
    return tuple(move for move in found if snapshot.existing_claims.get(move.claim) != "")


def with_previous_volumes(
    manifests: Iterable[Object], held: Iterable[Move], live: Mapping[Ref, Object], volume: str, strategy: Object
) -> tuple[Object, ...]:
    """Return the manifests with the volumes that the Deployments of blocked moves have now.

    The volume may be one that only a single node mounts, whatever the spec allows. The scaler adds no replicas either.

    Args:
        manifests: The manifests of the pipeline.
        held: The blocked moves.
        live: The existing objects.
        volume: The name of the volume in the pods.
        strategy: The rollout strategy of pods with such a volume.
    """
    names = {move.deployment for move in held}
    return tuple(
        _with_previous_volume(manifest, live[Ref("Deployment", objects.name(manifest))], volume, strategy)
        if manifest["kind"] == "Deployment" and objects.name(manifest) in names
        else manifest
        for manifest in manifests
    )


def _volume(deployment: Object, name: str) -> Object | None:
    volumes = deployment["spec"]["template"]["spec"].get("volumes") or ()
    return next((volume for volume in volumes if volume["name"] == name), None)


def _with_previous_volume(manifest: Object, deployment: Object, name: str, strategy: Object) -> Object:
    previous = _volume(deployment, name)
    if previous is None:
        return manifest
    spec = manifest["spec"]
    volumes = [previous if volume["name"] == name else volume for volume in spec["template"]["spec"]["volumes"]]
    template = {**spec["template"], "spec": {**spec["template"]["spec"], "volumes": volumes}}
    return {**manifest, "spec": {**spec, "strategy": strategy, "template": template}}
