"""What the scaler of each pipeline remembers, while this replica is the leader.

It is in memory only. A new leader restores it from the status: the changes, and the startup times of the pods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.plan.scaling.restore import from_status

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from speechoperator.kube.objects import Key, Object
    from speechoperator.plan.scaling.history import History


class ScalingMemory:
    """Not thread-safe."""

    def __init__(self) -> None:
        self._histories: dict[Key, History] = {}

    def of(self, key: Key, status: Object, now: datetime) -> History:
        """Return what is remembered of a pipeline; restore it from its status, if this is the first time."""
        if key not in self._histories:
            self._histories[key] = from_status(status, now)
        return self._histories[key]

    def keep(self, key: Key, history: History | None, failed: Iterable[str]) -> bool:
        """Remember what a plan has decided, once it was carried out; return whether the changes are others than before.

        Args:
            key: The pipeline.
            history: The memory of the plan; None if it has decided nothing.
            failed: Identifiers of the changes that were not written.
        """
        if history is None:
            return False
        for change in failed:
            history = history.failed(change)
        before = self._histories.get(key)
        self._histories[key] = history
        return before is not None and before.changes != history.changes

    def forget(self, key: Key) -> None:
        """Forget a pipeline."""
        self._histories.pop(key, None)

    def clear(self) -> None:
        """Forget all pipelines: another replica decides from now on."""
        self._histories.clear()
