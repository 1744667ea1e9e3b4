"""What other writers left in an object that cannot stay beside its manifest: server-side apply alone is refused (422).

It removes neither a member that excludes one of ours (a probe with two handlers, a volume with two sources), nor a port
that another writer derived from ours by changing its number, which is its merge key: their names collide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.kube.merge import excluded, merge
from speechoperator.kube.merge_keys import ATOMIC_MAPS, MERGE_KEYS, identity

if TYPE_CHECKING:
    from speechoperator.kube.objects import Json, Object

_UNIQUE_NAMES = frozenset({"ports"})
"""Lists whose items need names of their own, which are not their merge keys."""


def patch(live: Object, wanted: Object) -> Json | None:
    """Return a JSON merge patch of `spec` that makes an object match its manifest; None if nothing in it collides.

    What others added stays, but for what collides. Lists are replaced by such a patch: it holds for this version only.

    Args:
        live: The object.
        wanted: The manifest.
    """
    kept = _without_collisions(live["spec"], wanted["spec"], "", "spec")
    if kept == live["spec"]:
        return None
    spec = _changes(live["spec"], merge(kept, wanted["spec"], "", "spec"))
    return {"metadata": {"resourceVersion": live["metadata"]["resourceVersion"]}, "spec": spec}


def _without_collisions(live: Any, wanted: Any, parent: str, field: str) -> Any:
    """Return a live value without what cannot stay beside the wanted one; `parent` and `field` as in `merge`."""
    if isinstance(live, dict) and isinstance(wanted, dict) and f"{parent}.{field}" not in ATOMIC_MAPS:
        return {
            key: _without_collisions(value, wanted[key], field, key) if key in wanted else value
            for key, value in live.items()
            if key not in excluded(live, wanted, parent, field)
        }
    if isinstance(live, list) and isinstance(wanted, list) and (keys := MERGE_KEYS.get(f"{parent}.{field}")):
        ours = {identity(item, keys): item for item in wanted}
        taken = {item.get("name") for item in wanted if field in _UNIQUE_NAMES} - {None}
        return [
            _without_collisions(item, ours[place], parent, field) if (place := identity(item, keys)) in ours else item
            for item in live
            if identity(item, keys) in ours or item.get("name") not in taken
        ]
    return live


def _changes(before: Object, after: Object) -> Json:
    """Return the JSON merge patch (RFC 7396) from one object to another."""
    changed: Json = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            if inner := _changes(old, value):
                changed[key] = inner
        elif old != value:
            changed[key] = value
    return changed
