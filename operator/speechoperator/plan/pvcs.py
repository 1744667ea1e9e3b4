"""PVCs that the spec no longer needs. They are never deleted: they are orphaned and reported, and keep their data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube import objects
from speechoperator.kube.kinds import PVC
from speechoperator.plan.actions import Orphan
from speechoperator.plan.diff import ref

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from speechoperator.kube.objects import Object, Ref


def pvcs_to_orphan(manifests: Iterable[Object], live: Mapping[Ref, Object], owner: str) -> tuple[Orphan, ...]:
    """Return the PVCs that must outlive the pipeline but would be garbage-collected with it.

    Applying the manifest without the ownerReference is not enough: server-side apply does not remove one that another
    manager has set too, such as a tool that restored a backup.

    Args:
        manifests: The manifests of the pipeline.
        live: The existing objects.
        owner: The uid of the pipeline.
    """
    wanted = {ref(manifest): manifest for manifest in manifests}
    found = []
    for pvc, existing in sorted(live.items()):
        if pvc.kind != PVC.name or owner not in objects.owners(existing):
            continue
        if pvc not in wanted:
            reason = f"{pvc.kind} {pvc.name} was removed from the spec"
        elif owner not in objects.owners(wanted[pvc]):
            reason = f"{pvc.kind} {pvc.name} is to be retained"
        else:
            continue
        found.append(Orphan(pvc, owner, reason, objects.uid(existing)))
    return tuple(found)


def unused_pvcs(manifests: Collection[Object], live: Mapping[Ref, Object], pods: Iterable[Object]) -> tuple[str, ...]:
    """Return the names of the pipeline's PVCs that it neither mounts nor is about to mount, without terminating ones.

    Args:
        manifests: The manifests of the pipeline.
        live: The existing objects with the pipeline's labels.
        pods: The pods of the pipeline.
    """
    used = {objects.name(manifest) for manifest in manifests if manifest["kind"] == PVC.name}
    used.update(_mounted(manifests), _mounted(live.values()))
    used.update(name for pod in pods if not objects.finished(pod) for name in objects.mounts(pod))
    return tuple(
        pvc.name
        for pvc, existing in sorted(live.items())
        if pvc.kind == PVC.name and pvc.name not in used and not objects.terminating(existing)
    )


def reused_pvcs(manifests: Iterable[Object], live: Mapping[Ref, Object], created: str) -> tuple[str, ...]:
    """Return the names of the PVCs that the pipeline uses and an earlier pipeline of its name has left.

    Args:
        manifests: The manifests of the pipeline.
        live: The existing objects.
        created: When the pipeline was created, as the API writes times; empty if unknown.
    """
    existing = (live.get(ref(manifest)) for manifest in manifests if manifest["kind"] == PVC.name)
    return tuple(
        objects.name(pvc) for pvc in existing if pvc and pvc["metadata"].get("creationTimestamp", "") < created
    )


def _mounted(things: Iterable[Object]) -> Iterator[str]:
    for thing in things:
        if thing["kind"] == "Deployment":
            yield from objects.mounts(thing["spec"]["template"])
