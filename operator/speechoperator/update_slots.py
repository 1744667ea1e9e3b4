"""Slots for updates: how many pipelines may replace their pods at the same time because of a new operator release.

State is in memory only. After a restart, the status of a pipeline says that its update is in progress.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pydantic import ValidationError

from speechoperator.api import SpeechPipeline
from speechoperator.kube import objects
from speechoperator.kube.objects import Key
from speechoperator.plan.conditions.compose import by_type
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.rollout.updates import uses_gpus
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from speechoperator.kube.objects import Object
    from speechoperator.plan.actions import UpdateState


class UpdateSlots:
    """Not thread-safe.

    Args:
        limit: Pipelines updated at the same time.
        gpu_limit: How many of these may use GPUs.
        granted: Called with a pipeline that was given a slot.
    """

    def __init__(self, limit: int, gpu_limit: int, granted: Callable[[Key], None]) -> None:
        self._limit = limit
        self._gpu_limit = gpu_limit
        self._granted = granted
        self._held: dict[Key, bool] = {}
        self._waiting: dict[Key, bool] = {}

    def holds(self, key: Key) -> bool:
        """Return whether a pipeline may be updated now."""
        return key in self._held

    def note(self, key: Key, state: UpdateState, *, gpus: bool) -> None:
        """Take in what a plan says: the pipeline waits for a slot, is being updated, or needs no slot any more.

        Args:
            key: The pipeline.
            state: The state of its update.
            gpus: Whether it uses GPUs.
        """
        if state == "none":
            self.forget(key)
        elif state == "running":
            self._waiting.pop(key, None)
            self._held[key] = gpus
        elif key not in self._held:
            self._waiting[key] = gpus
            self._grant()

    def resume(self, pipelines: Iterable[Object]) -> None:
        """Give slots to the pipelines that the leader before was updating, before any other asks for one.

        Args:
            pipelines: All pipelines, as the API server sent them.
        """
        for raw in pipelines:
            if by_type(objects.status(raw)).get("UpdateAvailable", {}).get("reason") == Reason.UPDATING.text:
                key = Key(raw["metadata"]["namespace"], raw["metadata"]["name"])
                with suppress(ValidationError):
                    self.note(key, "running", gpus=uses_gpus(SpeechPipeline.parse(raw)))

    def forget(self, key: Key) -> None:
        """Release the slot of a pipeline, or its place in the queue."""
        self._waiting.pop(key, None)
        if self._held.pop(key, None) is not None:
            self._grant()

    def clear(self) -> None:
        """Forget all pipelines."""
        self._held.clear()
        self._waiting.clear()

    def _grant(self) -> None:
        """Give free slots to those that have waited longest; GPU pipelines do not hold up others."""
        for key, gpus in list(self._waiting.items()):
            if len(self._held) >= self._limit:
                return
            if gpus and sum(self._held.values()) >= self._gpu_limit:
                continue
            del self._waiting[key]
            self._held[key] = gpus
            logs.info("update may begin", namespace=key.namespace, pipeline=key.name, gpus=gpus)
            self._granted(key)
