"""Merge a patch over a manifest as server-side apply merges two writers' fields, with the patch as the stronger one.

Objects are merged field by field, lists by their merge keys; atomic lists and maps, and single values, are replaced.
A field that is null in the patch is removed. Clients that send merge patches (`kubectl apply`, Helm) drop nulls before
they reach the API server, so two directives of strategic merge patches are understood as well: `$patch: delete` in an
object or an item of a list removes it, `$patch: replace` in an object replaces it.
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.kube.merge_keys import ATOMIC_MAPS, MERGE_KEYS, identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from speechoperator.kube.objects import Object

DIRECTIVE = "$patch"

_HANDLERS = frozenset({"exec", "grpc", "httpGet", "sleep", "tcpSocket"})
_ALTERNATIVES: Mapping[str, frozenset[str]] = {
    "env": frozenset({"value", "valueFrom"}),
    "livenessProbe": _HANDLERS,
    "postStart": _HANDLERS,
    "preStop": _HANDLERS,
    "readinessProbe": _HANDLERS,
    "startupProbe": _HANDLERS,
}
"""Members of which an object may have only one, by the field of the object."""

_OBJECTS = frozenset({"affinity", "lifecycle", "nodeSelector", "resources", "securityContext"})
"""Fields of pods and containers that are objects."""


def merge(base: Object, patch: Object, parent: str = "", field: str = "") -> dict[str, Any]:
    """Return a manifest with a patch merged over it. Neither is changed.

    Args:
        base: The manifest, or an object in it.
        patch: The patch, or the object in it at the same place, without shape errors.
        parent: The field around the object, ignoring lists in between: "spec".
        field: The field of the object: "containers".
    """
    replaces = patch.get(DIRECTIVE) == "replace" or f"{parent}.{field}" in ATOMIC_MAPS
    dropped = set(base) if replaces else excluded(base, patch, parent, field)
    merged = {key: value for key, value in base.items() if key not in dropped}
    for key, value in patch.items():
        if value is None or _deletes(value):
            merged.pop(key, None)
        elif key != DIRECTIVE:
            merged[key] = _merged(merged.get(key), value, field, key)
    return merged


def shape_errors(patch: Object, path: str = "", field: str = "") -> Iterator[str]:
    """Yield why a patch cannot be merged, each error with the path of its field.

    Whether fields exist and have the right types is left to the API server, which knows the schema.

    Args:
        patch: The patch, or an object in it.
        path: The path of the object, with a dot at its end: "containers[0].".
        field: The field of the object, as in `merge`.
    """
    if patch.get(DIRECTIVE, "replace") not in {"delete", "replace"}:
        yield f"{path}{DIRECTIVE}: must be delete or replace"
    for key, value in patch.items():
        here, keys = f"{path}{key}", MERGE_KEYS.get(f"{field}.{key}")
        if value is None or _deletes(value):
            continue
        if isinstance(value, dict) and not keys:
            yield from shape_errors(value, f"{here}.", key)
        elif isinstance(value, list) and key not in _OBJECTS:
            yield from _item_errors(value, here, key, keys)
        elif keys or key in _OBJECTS:
            yield f"{here}: must be {'a list' if keys else 'an object'}"


def _item_errors(items: list[Any], path: str, field: str, keys: tuple[str, ...] | None) -> Iterator[str]:
    for index, item in enumerate(items):
        if isinstance(item, dict):
            yield from (f"{path}[{index}].{key}: is required" for key in keys or () if _key(item, key) is None)
            yield from shape_errors(item, f"{path}[{index}].", field)
        elif keys:
            yield f"{path}[{index}]: must be an object"


def _key(item: Object, key: str) -> Any:
    return identity(item, (key,))[0]


def excluded(base: Object, patch: Object, parent: str, field: str) -> set[str]:
    """Return the members of an object that cannot stay beside those in the patch; arguments as in `merge`."""
    given = {key for key, value in patch.items() if value is not None}
    if f"{parent}.{field}" == "spec.volumes":  # a name and one source
        return set(base) - given - {"name"} if given - {"name"} else set()
    alternatives = _ALTERNATIVES.get(field, frozenset())
    return set(alternatives - given) if alternatives & given else set()


def _deletes(value: Any) -> bool:
    return isinstance(value, dict) and value.get(DIRECTIVE) == "delete"


def _merged(have: Any, want: Any, parent: str, field: str) -> Any:
    if isinstance(want, dict):
        return merge(have if isinstance(have, dict) else {}, want, parent, field)
    if isinstance(want, list):
        keys = MERGE_KEYS.get(f"{parent}.{field}")
        return _merged_list(have if isinstance(have, list) and keys else [], want, keys or (), parent, field)
    return want


def _merged_list(have: list[Any], want: list[Any], keys: tuple[str, ...], parent: str, field: str) -> list[Any]:
    """Return a list with the items of the patch merged in, or those of the patch alone where it has no keys."""
    if not keys:
        return [merge({}, item, parent, field) if isinstance(item, dict) else item for item in want]
    merged = {identity(item, keys): item for item in have}
    for item in want:
        place = identity(item, keys)
        if _deletes(item):
            merged.pop(place, None)
        else:
            merged[place] = merge(merged.get(place, {}), item, parent, field)
    return list(merged.values())
