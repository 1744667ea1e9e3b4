"""What the scaler of each pipeline remembers, while this replica is the leader.

It is in memory only. A new leader restores it from the status: the changes, and the startup times of the pods.
"""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import TYPE_CHECKING

from speechoperator.plan.scaling.restore import from_status

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from speechoperator.kube.objects import Key, Object
    from speechoperator.plan.scaling.history import History


class ScalingMemory:
    """Not thread-safe.

    Attributes:
        decisions: How often replicas of each pipeline were to change, by component, direction (up, down) and mode.
    """

    def __init__(self) -> None:
        self.decisions: dict[Key, Counter[tuple[str, str, str]]] = {}
        self._histories: dict[Key, History] = {}

    def of(self, key: Key, status: Object, now: datetime) -> History:
        """Return what is remembered of a pipeline; restore it from its status, if this is the first time."""
        if key not in self._histories:
            self._histories[key] = from_status(status, now)
        return self._histories[key]

    def keep(self, key: Key, history: History | None, failed: Iterable[str], mode: str) -> bool:
        """Remember what a plan has decided, once it was carried out; return whether the changes are others than before.

        Args:
            key: The pipeline.
            history: The memory of the plan; None if it has decided nothing.
            failed: Identifiers of the changes that were not written.
            mode: In which it has decided.
        """
        if history is None:
            return False
        for identifier in failed:
            history = history.failed(identifier)
        before = self._histories.get(key)
        self._histories[key] = history
        decided = self.decisions.setdefault(key, Counter())
        for series in product(("whisper", "ollama"), ("up", "down"), (mode,)):
            decided[series] += 0  # exposed before the first one: Prometheus sees it as an increase
        if before is None or before.changes == history.changes:
            return False
        known = {change.id for change in before.changes}
        advised: dict[str, int] = {}
        for change in history.changes:
            current = advised.get(change.component, change.before)
            if mode == "Advisory":
                advised[change.component] = change.after
            if change.id not in known:
                towards = "up" if change.after > current else "down"
                decided[change.component, towards, mode] += 1
        return True

    def forget(self, key: Key) -> None:
        """Forget a pipeline."""
        self._histories.pop(key, None)
        self.decisions.pop(key, None)

    def clear(self) -> None:
        """Forget all pipelines: another replica decides from now on."""
        self._histories.clear()
        self.decisions.clear()
