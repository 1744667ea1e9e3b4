"""Drift detection: does a live object still match its manifest?

Every field of the manifest must have its value in the live object. Other fields belong to other writers and are
ignored, as server-side apply ignores them. Lists are matched as server-side apply matches them: by merge keys, if they
have any. A field that was *removed* from the manifest leaves no trace in that comparison; the annotation
`speechpipeline.dev/applied`, a hash of the manifest that was applied last, detects it.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from speechoperator.kube import quantities
from speechoperator.kube.merge_keys import ATOMIC_MAPS, MERGE_KEYS, identity

if TYPE_CHECKING:
    from speechoperator.kube.objects import Object

APPLIED = "speechpipeline.dev/applied"
"""The annotation with the hash of the manifest that was applied."""

_QUANTITIES = frozenset({"requests", "limits"})
"""Maps whose values are quantities."""

_QUANTITY_FIELDS = frozenset({"sizeLimit", "divisor"})

_MEANINGFUL_WHEN_EMPTY = frozenset({"emptyDir", "podSelector", "namespaceSelector", "labelSelector"})
"""Objects whose presence has a meaning; any other empty map or list is the same as none."""

_ZERO_WHEN_OMITTED = frozenset(
    {"hostIPC", "hostNetwork", "hostPID", "initialDelaySeconds", "readOnly", "stdin", "stdinOnce", "tty"}
)
"""Fields of pods that the API server omits when they are false or 0, since they are no pointers in Go."""

_MAX_VALUE_CHARS = 80

_Difference = tuple[str, str]
"""The path below the current object, and the difference: (".spec.replicas", "is 3, wanted 2")."""


def desired_hash(desired: Object) -> str:
    """Return a hash of a manifest: 32 hexadecimal digits, independent of the order of the fields."""
    text = json.dumps(_without_stamp(desired), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).hexdigest()[:32]


def stamped(desired: Object) -> Object:
    """Return a manifest with its hash as an annotation, ready to be applied."""
    metadata = desired["metadata"]
    annotations = {**metadata.get("annotations", {}), APPLIED: desired_hash(desired)}
    return {**desired, "metadata": {**metadata, "annotations": annotations}}


def stamp(desired: Object) -> str:
    """Return the hash of a manifest, from its annotation if it is stamped."""
    found: str | None = desired["metadata"].get("annotations", {}).get(APPLIED)
    return found or desired_hash(desired)


def differs(desired: Object, live: Object) -> str | None:
    """Return why an object must be applied, or None if it matches its manifest.

    Args:
        desired: The manifest, stamped or not.
        live: The object in the cluster, with all fields that other writers added.
    """
    if found := _difference(_without_stamp(desired), live, "", ""):
        where, what = found
        return f"{where.removeprefix('.')} {what}"
    applied = live["metadata"].get("annotations", {}).get(APPLIED)
    if applied is None:
        return f"metadata.annotations[{APPLIED}] is missing"
    return None if applied == stamp(desired) else "the manifest differs from the one that was applied last"


def _without_stamp(desired: Object) -> Object:
    metadata = desired["metadata"]
    if APPLIED not in metadata.get("annotations", {}):
        return desired
    annotations = {key: value for key, value in metadata["annotations"].items() if key != APPLIED}
    rest = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**desired, "metadata": {**rest, **({"annotations": annotations} if annotations else {})}}


def _difference(want: Any, have: Any, around: str, field: str) -> _Difference | None:
    """Compare one field; `around` is its parent field, ignoring lists in between."""
    if want == have:
        return None
    if have is None:
        return None if _omitted(want, field) else ("", "is missing")
    if isinstance(want, dict) and isinstance(have, dict):
        return _map_difference(want, have, around, field)
    if isinstance(want, list) and isinstance(have, list):
        return _list_difference(want, have, around, field)
    return None if _same_amount(want, have, around, field) else _other_value(want, have, around, field)


def _map_difference(want: Object, have: Object, around: str, field: str) -> _Difference | None:
    for key, value in want.items():
        if found := _difference(value, have.get(key), field, key):
            where, what = found
            return f"{_step(key)}{where}", what
    if f"{around}.{field}" in ATOMIC_MAPS:
        for key in have:
            if key not in want:
                return _step(key), "is set, and not wanted"
    return None


def _list_difference(want: list[Any], have: list[Any], around: str, field: str) -> _Difference | None:
    keys = MERGE_KEYS.get(f"{around}.{field}")
    if keys is None:
        return _atomic_list_difference(want, have, around, field)
    live = {identity(item, keys): item for item in have}
    for item in want:
        place = identity(item, keys)
        if found := _difference(item, live.get(place), around, field):
            where, what = found
            return f"[{place[0]}]{where}", what
    return None


def _atomic_list_difference(want: list[Any], have: list[Any], around: str, field: str) -> _Difference | None:
    if len(want) != len(have) or not all(isinstance(item, dict) for item in (*want, *have)):
        return _other_value(want, have, around, field)
    for index, (wanted, live) in enumerate(zip(want, have, strict=True)):
        if found := _difference(wanted, live, around, field):
            where, what = found
            return f"[{index}]{where}", what
    return None


def _omitted(want: Any, field: str) -> bool:
    """Return whether the API server omits the value: Go's `omitempty`."""
    if want in (False, 0):
        return field in _ZERO_WHEN_OMITTED
    return want in (None, "", [], {}) and field not in _MEANINGFUL_WHEN_EMPTY


def _same_amount(want: Any, have: Any, around: str, field: str) -> bool:
    if around not in _QUANTITIES and field not in _QUANTITY_FIELDS:
        return False
    try:
        return quantities.same(want, have)
    except ValueError:
        return False


def _step(key: str) -> str:
    return f"[{key}]" if "." in key or "/" in key else f".{key}"


def _other_value(want: Any, have: Any, around: str, field: str) -> _Difference:
    return "", f"is {_shown(have, around, field)}, wanted {_shown(want, around, field)}"


def _shown(value: Any, around: str, field: str) -> str:
    """Return a value as JSON, truncated; the value of an environment variable may be a secret, and is hidden."""
    if (around, field) == ("env", "value"):
        return "(hidden)"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE_CHARS else f"{text[:_MAX_VALUE_CHARS]}..."
