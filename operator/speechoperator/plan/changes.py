"""What has to be written so that the cluster has a pipeline's objects as they are wanted, and no others of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator import drift, kinds, podstate, resources
from speechoperator.actions import Apply, Delete
from speechoperator.observed import Ref

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from speechoperator.observed import Object

_PRUNED = frozenset(kind.name for kind in kinds.PRUNED)


def ref(thing: Object) -> Ref:
    """Return which object it is."""
    return Ref(thing["kind"], podstate.name(thing))


def applies(wanted: Iterable[Object], live: Mapping[Ref, Object]) -> tuple[Apply, ...]:
    """Return the objects that are not there or not as they are wanted, in the order given."""
    found = []
    for thing in wanted:
        there = live.get(ref(thing))
        if there is None:
            found.append(Apply(drift.stamped(thing), "not there"))
        elif not podstate.terminating(there):  # one that is on its way out is made anew once it is gone
            fitted = resources.fitted(drift.stamped(thing), there)
            if reason := drift.differs(fitted, there):
                found.append(Apply(fitted, reason))
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
        Delete(found, f"{found.kind} {found.name} is no part of the spec any more", podstate.uid(there))
        for found, there in sorted(live.items())
        if found not in kept
        and found.kind in _PRUNED
        and owner in podstate.owners(there)
        and not podstate.terminating(there)
    )
