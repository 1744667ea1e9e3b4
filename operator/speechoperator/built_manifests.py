"""The manifests of the pipelines that were planned last, so that the next plans need not build them again."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from speechoperator.kube.objects import Key
    from speechoperator.plan.built import Built

_LIMIT = 256
"""Pipelines to keep, those that were planned last: about 75 KiB each."""


class BuiltManifests:
    """Not thread-safe."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, Built] = OrderedDict()

    def of(self, key: Key) -> Built | None:
        """Return the manifests of a pipeline, None if they are not kept."""
        return self._kept.get(key)

    def keep(self, key: Key, built: Built | None) -> None:
        """Keep the manifests of a plan; None if it has built none."""
        self._kept.pop(key, None)
        if built is not None:
            self._kept[key] = built
        if len(self._kept) > _LIMIT:
            self._kept.popitem(last=False)
