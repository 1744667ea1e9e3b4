"""Turns: at most one pull at a time fills a volume, whichever pipeline starts it, and so many run in total.

Two Ollamas that pull into one volume write the same partial files, and a removal deletes layers that no model has yet:
those of a pull that runs. So removals take the volume's turn too, but do not count as pulls. Pipelines share a volume
when they name the same PVC in `cache.existingClaim`, or the same folder of a node, even in different namespaces.
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
        self._removing: dict[_Place, Key] = {}
        self._postponed: set[Key] = set()
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
        if place in self._removing:
            self._waiting[key][pull] = "waiting for the volume: models are removed from it"
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
        return self._next()

    def begin_removal(self, key: Key, volume: str) -> bool:
        """Begin to remove models from a volume, unless something else has its turn there."""
        place = _place(key, volume)
        if place in self._running or place in self._removing:
            self._postponed.add(key)
            return False
        self._removing[place] = key
        return True

    def end_removal(self, key: Key, volume: str) -> tuple[Key, ...]:
        """End the removals of a pipeline from a volume; return the pipelines that should try again, as `end` does."""
        place = _place(key, volume)
        if self._removing.get(place) != key:
            return ()
        del self._removing[place]
        return self._next()

    def waiting(self, key: Key) -> Mapping[PullId, str]:
        """Return what the pulls of a pipeline wait for."""
        return dict(self._waiting.get(key, {}))

    def forget(self, key: Key, pull: PullId | None = None) -> None:
        """Stop waiting for a pull of a pipeline, or for all."""
        if pull is None:
            self._waiting.pop(key, None)
            self._postponed.discard(key)
        else:
            self._forget_waiting(key, pull)

    def clear(self) -> None:
        """Forget everything that waits."""
        self._waiting.clear()
        self._postponed.clear()

    def _next(self) -> tuple[Key, ...]:
        """Return the pipelines that should try again; those whose removals were postponed come last."""
        pulls = sorted(self._waiting, key=lambda one: min(parameters(name) for _, name in self._waiting[one]))
        removals = sorted(self._postponed.difference(pulls))
        self._postponed.clear()
        return (*pulls, *removals)

    def _forget_waiting(self, key: Key, pull: PullId) -> None:
        if key in self._waiting:
            self._waiting[key].pop(pull, None)
            if not self._waiting[key]:
                del self._waiting[key]
