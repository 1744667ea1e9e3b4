"""What has to be written so that the cluster has a pipeline's objects as they are wanted, and no others of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api import kinds
from speechoperator.kube import drift, objects
from speechoperator.kube.objects import Ref
from speechoperator.plan.actions import Apply, Delete
from speechoperator.plan.manifests import build

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from speechoperator.kube.objects import Object

_PRUNED = frozenset(kind.name for kind in kinds.PRUNED)


def ref(thing: Object) -> Ref:
    """Return which object it is."""
    return Ref(thing["kind"], objects.name(thing))


def applies(wanted: Iterable[Object], live: Mapping[Ref, Object]) -> tuple[Apply, ...]:
    """Return the objects that are not there or not as they are wanted, in the order given."""
    found = []
    for thing in wanted:
        there = live.get(ref(thing))
        if there is None:
            found.append(Apply(drift.stamped(thing), "not there"))
        elif not objects.terminating(there):  # one that is on its way out is made anew once it is gone
            adopted = build.adopt_immutable_fields(drift.stamped(thing), there)
            if reason := drift.differs(adopted, there):
                found.append(Apply(adopted, reason))
    return tuple(found)


def deletes(wanted: Iterable[Object], live: Mapping[Ref, Object], owner: str) -> tuple[Delete, ...]:
    """Return the objects that the pipeline owns and no longer wants, PVCs left out.

    What has no owner stays.

    Args:
        wanted: What is wanted.
        live: What is there.
        owner: The pipeline's uid.
    """
    kept = {ref(thing) for thing in wanted}
    return tuple(
        Delete(found, f"{found.kind} {found.name} is no part of the spec any more", objects.uid(there))
        for found, there in sorted(live.items())
        if found not in kept
        and found.kind in _PRUNED
        and owner in objects.owners(there)
        and not objects.terminating(there)
    )
