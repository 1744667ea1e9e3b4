"""PVCs: a change of the spec deletes none. One that is no longer wanted is orphaned and reported; its data stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube import kinds, objects
from speechoperator.plan.actions import Orphan
from speechoperator.plan.diff import ref

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from speechoperator.kube.objects import Object, Ref


def orphans(wanted: Iterable[Object], live: Mapping[Ref, Object], owner: str) -> tuple[Orphan, ...]:
    """Return the PVCs that must outlive the pipeline and would be deleted with it.

    Server-side apply without the ownerReference is not enough: it does not remove one that another manager has set too,
    after a restore from a backup for instance.

    Args:
        wanted: What is wanted.
        live: What is there.
        owner: The pipeline's uid.
    """
    named = {ref(thing): thing for thing in wanted}
    found = []
    for claim, there in sorted(live.items()):
        if claim.kind != kinds.CLAIM.name or owner not in objects.owners(there):
            continue
        if claim not in named:
            why = f"the spec no longer asks for {claim.kind} {claim.name}"
        elif owner not in objects.owners(named[claim]):
            why = f"{claim.kind} {claim.name} is to be retained"
        else:
            continue
        found.append(Orphan(claim, owner, why, objects.uid(there)))
    return tuple(found)


def unused(wanted: Collection[Object], live: Mapping[Ref, Object], pods: Iterable[Object]) -> tuple[str, ...]:
    """Return the names of the pipeline's PVCs that nothing of it mounts or is going to mount.

    A PVC that is being deleted is left out.

    Args:
        wanted: What is wanted.
        live: What is there with the pipeline's labels.
        pods: The pipeline's pods.
    """
    used = {objects.name(thing) for thing in wanted if thing["kind"] == kinds.CLAIM.name}
    used.update(_mounted(wanted), _mounted(live.values()))
    used.update(name for pod in pods if not objects.finished(pod) for name in objects.mounts(pod))
    return tuple(
        claim.name
        for claim, there in sorted(live.items())
        if claim.kind == kinds.CLAIM.name and claim.name not in used and not objects.terminating(there)
    )


def _mounted(things: Iterable[Object]) -> Iterator[str]:
    for thing in things:
        if thing["kind"] == "Deployment":
            yield from objects.mounts(thing["spec"]["template"])
