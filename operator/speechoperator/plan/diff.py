"""The difference between the manifests and the cluster: which objects to apply and which to delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api import kinds
from speechoperator.kube import drift, objects
from speechoperator.kube.objects import Ref
from speechoperator.plan.actions import Apply, Delete
from speechoperator.plan.manifests.immutable_fields import adopt_immutable_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from speechoperator.kube.objects import Object

_PRUNED = frozenset(kind.name for kind in kinds.PRUNED)


def ref(thing: Object) -> Ref:
    """Return the reference of an object."""
    return Ref(thing["kind"], objects.name(thing))


def objects_to_apply(manifests: Iterable[Object], live: Mapping[Ref, Object]) -> tuple[Apply, ...]:
    """Return the objects that are missing or differ from their manifest, in the order of the manifests.

    Args:
        manifests: The manifests, with the hashes by which `drift` compares them.
        live: The existing objects.
    """
    found = []
    for manifest in manifests:
        existing = live.get(ref(manifest))
        if existing is None:
            found.append(Apply(manifest, "missing"))
        elif not objects.terminating(existing):  # a terminating object is recreated after it is gone
            adopted = adopt_immutable_fields(manifest, existing)
            if reason := drift.differs(adopted, existing):
                found.append(Apply(adopted, reason))
    return tuple(found)


def objects_to_delete(manifests: Iterable[Object], live: Mapping[Ref, Object], owner: str) -> tuple[Delete, ...]:
    """Return the objects that the pipeline owns and no longer wants, except PVCs.

    Objects without an owner are kept.

    Args:
        manifests: The manifests of the pipeline.
        live: The existing objects.
        owner: The uid of the pipeline.
    """
    wanted = {ref(manifest) for manifest in manifests}
    return tuple(
        Delete(
            found,
            f"{found.kind} {found.name} was removed from the spec",
            objects.uid(existing),
            objects.version(existing),
        )
        for found, existing in sorted(live.items())
        if found not in wanted
        and found.kind in _PRUNED
        and owner in objects.owners(existing)
        and not objects.terminating(existing)
    )
