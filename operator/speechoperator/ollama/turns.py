"""Turns: at most one pull at a time fills a volume, whichever pipeline starts it, and so many run in total.

Two Ollamas that pull into one volume write the same partial files. Pipelines share a volume when they name the same PVC
in `cache.existingClaim`, or the same folder of a node, even in different namespaces.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from speechoperator.plan.models.names import parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.kube.objects import Key

PullId = tuple[str, str]
"""Volume ("pvc:NAME", "node:NODE/PATH", "nfs:SERVER:PATH" or "pod:NAME"), and model as the spec writes it."""


_CLUSTER_WIDE = ("node:", "nfs:")


class _Place(NamedTuple):
    """A volume, and its namespace; "" for a folder of a node or an NFS server, which all namespaces share."""

    namespace: str
    volume: str


def _place(key: Key, volume: str) -> _Place:
    return _Place("" if volume.startswith(_CLUSTER_WIDE) else key.namespace, volume)


class Turns:
    """Not thread-safe.

    Args:
        limit: Pulls that run at the same time, over all pipelines.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running: dict[_Place, tuple[Key, str]] = {}
        self._waiting: defaultdict[Key, dict[PullId, str]] = defaultdict(dict)

    def begin(self, key: Key, pull: PullId) -> bool:
        """Begin a pull if it is its turn; else it waits, and `waiting` says for what."""
        volume, model = pull
        place = _place(key, volume)
        if holder := self._running.get(place):
            other, theirs = holder
            who = f"pipeline {other.name} pulls {theirs}"
            who = who if other.namespace == key.namespace else "a pipeline of another namespace pulls"
            self._waiting[key][pull] = f"waiting for the volume: {who} into it"
            return False
        if len(self._running) >= self._limit:
            self._waiting[key][pull] = f"waiting: {self._limit} pulls are running, as many as MAX_PULLS allows"
            return False
        self._forget_waiting(key, pull)
        self._running[place] = (key, model)
        return True

    def end(self, key: Key, pull: PullId) -> tuple[Key, ...]:
        """End a pull; return the pipelines that should try again, those that wait for the smallest models first."""
        volume, model = pull
        place = _place(key, volume)
        if self._running.get(place) != (key, model):
            return ()
        del self._running[place]
        return tuple(sorted(self._waiting, key=lambda one: min(parameters(name) for _, name in self._waiting[one])))

    def waiting(self, key: Key) -> Mapping[PullId, str]:
        """Return what the pulls of a pipeline wait for."""
        return dict(self._waiting.get(key, {}))

    def forget(self, key: Key, pull: PullId | None = None) -> None:
        """Stop waiting for a pull of a pipeline, or for all."""
        if pull is None:
            self._waiting.pop(key, None)
        else:
            self._forget_waiting(key, pull)

    def clear(self) -> None:
        """Forget everything that waits."""
        self._waiting.clear()

    def _forget_waiting(self, key: Key, pull: PullId) -> None:
        if key in self._waiting:
            self._waiting[key].pop(pull, None)
            if not self._waiting[key]:
                del self._waiting[key]
