"""The manifests of the pipelines that were planned last, so that the next plans need not build them again."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from speechoperator.compressed_json import CompressedJson
from speechoperator.plan.built import Built

if TYPE_CHECKING:
    from speechoperator.kube.objects import Key

_LIMIT = 2048
"""Pipelines to keep, those that were planned last."""
_UNPACKED = 32
"""Pipelines whose manifests are kept as Python objects as well: after its writes, a reconcile plans once more."""
_KIND = "manifests"


class _Packed(NamedTuple):
    """Manifests as compressed JSON, about 1 KiB: as Python objects they have 75.

    To read them takes a tenth of the time that it takes to build them.
    """

    inputs: tuple[object, ...]
    manifests: bytes


class BuiltManifests:
    """Not thread-safe."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, _Packed] = OrderedDict()
        self._latest: OrderedDict[Key, Built] = OrderedDict()
        self._compressed = CompressedJson()

    def of(self, key: Key) -> Built | None:
        """Return the manifests of a pipeline, None if they are not kept."""
        if latest := self._latest.get(key):
            return latest
        packed = self._kept.get(key)
        return Built(packed.inputs, tuple(self._compressed.unpack(_KIND, packed.manifests))) if packed else None

    def keep(self, key: Key, built: Built | None) -> None:
        """Keep the manifests of a plan; None if it has built none."""
        before = self._kept.pop(key, None)
        self._latest.pop(key, None)
        if built is None:
            return
        self._latest[key] = built
        known = before if before and before.inputs is built.inputs else None
        self._kept[key] = known or _Packed(built.inputs, self._compressed.pack(_KIND, built.manifests))
        for kept, limit in ((self._kept, _LIMIT), (self._latest, _UNPACKED)):
            if len(kept) > limit:
                kept.popitem(last=False)
