"""Apply: carry out a plan, in its order. Rejected writes are collected; the rest is carried out all the same."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from speechoperator.kube import drift, kinds
from speechoperator.kube.errors import ApiError
from speechoperator.kube.objects import Ref
from speechoperator.plan.snapshot import WriteFailure
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from datetime import datetime

    from speechoperator.apply.writer import Writer
    from speechoperator.kube.objects import Key
    from speechoperator.ollama.pulls import Pulls
    from speechoperator.plan.actions import Apply, Plan
    from speechoperator.telemetry.metrics import Metrics

_MAX_BACKOFF_S = 300.0


@dataclass(slots=True)
class Outcome:
    """The result of carrying out a plan.

    Attributes:
        wrote: Whether anything was written, so that the snapshot is outdated.
        rejected: Writes that the API server rejected; to be retried.
        reverted: Writes that something else in the cluster reverts whenever they are made.
        retry_after: Seconds the API server asked to wait; 0 if it did not.
        requeue_after: In how many seconds reverted writes are tried again, None if there are none.
    """

    wrote: bool = False
    rejected: list[WriteFailure] = field(default_factory=list)
    reverted: list[WriteFailure] = field(default_factory=list)
    retry_after: float = 0.0
    requeue_after: float | None = None

    @property
    def failures(self) -> tuple[WriteFailure, ...]:
        """All failures to report."""
        return (*self.rejected, *self.reverted)


@dataclass(slots=True)
class _Conflict:
    """An object in which a webhook or another controller reverts a field."""

    desired_hash: str
    reason: str
    times: int
    until: float

    def failure(self, ref: Ref) -> WriteFailure:
        message = f"another writer in the cluster reverts it (an admission webhook?): {self.reason}"
        return WriteFailure(ref, "patch", HTTPStatus.OK, message)


class Applier:
    """Carries out plans.

    Args:
        writer: What writes.
        pulls: What pulls models.
        metrics: Where rejected writes are counted.
    """

    def __init__(self, writer: Writer, pulls: Pulls, metrics: Metrics) -> None:
        self._writer = writer
        self._pulls = pulls
        self._metrics = metrics
        self._conflicts: defaultdict[Key, dict[Ref, _Conflict]] = defaultdict(dict)

    async def apply(self, key: Key, plan: Plan, now: datetime) -> Outcome:
        """Carry out all of a plan except its report.

        Raises:
            ApiError: the API server did not respond or failed, or the namespace is terminating: the rest would fail
                the same way.
            NotLeadingError: another replica may be the leader.
        """
        outcome = Outcome()
        for orphan in plan.orphan:
            await self._try(outcome, orphan.ref, self._writer.orphan(key.namespace, orphan))
        for action in plan.apply:
            await self._apply(key, action, outcome, now.timestamp())
        for delete in plan.delete:
            await self._try(outcome, delete.ref, self._writer.delete(key.namespace, delete))
        for stop in plan.stops:
            self._pulls.stop(key, stop)
            outcome.wrote = True  # its volume is free: plan again
        self._pulls.start(key, plan.pulls)
        return outcome

    def forget(self, key: Key) -> None:
        """Forget a pipeline."""
        self._conflicts.pop(key, None)

    async def _apply(self, key: Key, action: Apply, outcome: Outcome, now: float) -> None:
        ref = Ref(action.object["kind"], action.object["metadata"]["name"])
        desired = drift.desired_hash(action.object)
        conflict = self._conflicts[key].get(ref)
        if conflict and conflict.desired_hash == desired and now < conflict.until:
            self._reverted(outcome, ref, conflict, now)
            return
        found = await self._try(outcome, ref, self._writer.apply(key, action))
        if found is None:
            return
        reason = drift.differs(action.object, found)
        if reason is None:
            self._conflicts[key].pop(ref, None)
            return
        times = conflict.times + 1 if conflict and conflict.desired_hash == desired else 0
        conflict = _Conflict(desired, reason, times, now + min(_MAX_BACKOFF_S, 2.0**times))
        self._conflicts[key][ref] = conflict
        logs.warning("write was reverted", kind=ref.kind, name=ref.name, reason=reason, times=times)
        self._reverted(outcome, ref, conflict, now)

    @staticmethod
    def _reverted(outcome: Outcome, ref: Ref, conflict: _Conflict, now: float) -> None:
        outcome.reverted.append(conflict.failure(ref))
        outcome.requeue_after = min(outcome.requeue_after or _MAX_BACKOFF_S, conflict.until - now)

    async def _try(self, outcome: Outcome, ref: Ref, writing: Awaitable[object]) -> dict[str, object] | None:
        """Write; return the object as it is then, None if the write was rejected."""
        try:
            found = await writing
        except ApiError as error:
            if error.affects_all or error.namespace_terminating:
                raise
            if ref.kind == kinds.POD.name and error.status == HTTPStatus.NOT_FOUND:
                return None
            self._metrics.errors.labels(error.code).inc()
            logs.warning("write rejected", kind=ref.kind, name=ref.name, code=error.code, reason=error.advice)
            verb = (error.missing_permission or error.request).verb
            outcome.rejected.append(WriteFailure(ref, verb, error.status, error.message, error.reason))
            outcome.retry_after = max(outcome.retry_after, error.retry_after or 0.0)
            return None
        outcome.wrote = True
        return found if isinstance(found, dict) else None
