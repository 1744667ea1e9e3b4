"""Apply: carry out a plan, in its order. Rejected writes are collected; the rest is carried out all the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from speechoperator.api.names import REPLICAS
from speechoperator.apply.conflicts import MAX_BACKOFF_S, Conflicts
from speechoperator.kube import drift, kinds
from speechoperator.kube.errors import ApiError
from speechoperator.kube.objects import Ref
from speechoperator.plan.snapshot import SCALE, WriteFailure
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from datetime import datetime

    from speechoperator.apply.conflicts import Write
    from speechoperator.apply.writer import Writer
    from speechoperator.canary.runs import Canaries
    from speechoperator.kube.objects import Key
    from speechoperator.ollama.work import ModelWork
    from speechoperator.plan.actions import Apply, Plan, ResumeRollout, Scale
    from speechoperator.telemetry.metrics import Metrics


@dataclass(slots=True)
class Outcome:
    """The result of carrying out a plan.

    Attributes:
        wrote: Whether anything was written, so that the snapshot is outdated.
        rejected: Writes that the API server rejected; to be retried.
        reverted: Writes that something else in the cluster reverts whenever they are made.
        unscaled: Identifiers of the scaling decisions that were not written.
        retry_after: Seconds the API server asked to wait; 0 if it did not.
        requeue_after: In how many seconds reverted writes are tried again, None if there are none.
    """

    wrote: bool = False
    rejected: list[WriteFailure] = field(default_factory=list)
    reverted: list[WriteFailure] = field(default_factory=list)
    unscaled: list[str] = field(default_factory=list)
    retry_after: float = 0.0
    requeue_after: float | None = None

    @property
    def failures(self) -> tuple[WriteFailure, ...]:
        """All failures to report."""
        return (*self.rejected, *self.reverted)


class Applier:
    """Carries out plans.

    Args:
        writer: What writes.
        work: What pulls, loads and removes models.
        canaries: What sends canary requests.
        metrics: Where rejected writes are counted.
    """

    def __init__(self, writer: Writer, work: ModelWork, canaries: Canaries, metrics: Metrics) -> None:
        self._writer = writer
        self._work = work
        self._canaries = canaries
        self._metrics = metrics
        self._conflicts = Conflicts()
        self._scaling_conflicts = Conflicts()

    async def apply(self, key: Key, plan: Plan, now: datetime) -> Outcome:
        """Carry out all of a plan except its report.

        Raises:
            ApiError: the API server did not respond or failed, or the namespace is terminating: the rest would fail
                the same way.
            NotLeadingError: another replica may be the leader.
        """
        outcome, uid = Outcome(), self._writer.uid(key)
        for conflicts in (self._conflicts, self._scaling_conflicts):
            conflicts.expire(key, now.timestamp())
        for orphan in plan.orphan:
            await self._try(outcome, orphan.ref, self._writer.orphan(key.namespace, orphan))
        for action in plan.apply:
            if not uid or self._writer.uid(key) != uid:
                outcome.wrote = True  # it was deleted meanwhile: observe again
                return outcome
            await self._apply(key, action, outcome, now.timestamp())
        for annotation in plan.annotate:
            await self._try(outcome, Ref(kinds.POD.name, annotation.pod), self._writer.annotate(key, annotation))
        if (plan.scales or plan.resumptions) and not uid:
            return outcome
        await self._apply_replicas(key, plan, outcome, now.timestamp())
        for delete in plan.delete:
            await self._try(outcome, delete.ref, self._writer.delete(key.namespace, delete))
        outcome.wrote = self._work.apply(key, plan) or outcome.wrote
        if plan.canary:
            self._canaries.start(key, plan.canary)
        return outcome

    def forget(self, key: Key) -> None:
        """Forget a pipeline."""
        self._conflicts.forget(key)
        self._scaling_conflicts.forget(key)

    async def _apply(self, key: Key, action: Apply, outcome: Outcome, now: float) -> None:
        ref = Ref(action.object["kind"], action.object["metadata"]["name"])
        manifest = drift.stamp(action.object)
        before = self._conflicts.recent(key, ref, manifest, now)
        if before and now < before.until:
            self._contested(outcome, ref, before, now)
            return
        writer = await self._writer.other_writer(action) if before else ""
        found = await self._try(outcome, ref, self._writer.apply(key, action))
        if found is None:
            return
        reason = drift.differs(action.object, found)
        write = self._conflicts.wrote(
            key,
            ref,
            manifest,
            now,
            before=before,
            reason=reason or action.reason,
            writer=writer,
            kept=reason is None,
        )
        if write.contested:
            logs.warning(
                "write was undone", kind=ref.kind, name=ref.name, reason=write.reason, writer=writer, times=write.undone
            )
        if reason is not None:
            self._contested(outcome, ref, write, now)

    async def _apply_replicas(self, key: Key, plan: Plan, outcome: Outcome, now: float) -> None:
        for cost in plan.costs:
            await self._try(outcome, Ref(kinds.POD.name, cost.pod), self._writer.cost(key, cost))
        for scale in plan.scales:
            await self._scale(key, scale, outcome, now)
        for resumption in plan.resumptions:
            await self._resume(key, resumption, outcome)

    async def _scale(self, key: Key, action: Scale, outcome: Outcome, now: float) -> None:
        """Write the replicas of a Deployment; less and less often, if another writer keeps changing them."""
        ref = Ref(SCALE, action.ref.name)
        before = self._scaling_conflicts.latest(key, ref, now)
        if before and action.before in {None, int(before.manifest)}:
            before = None  # nobody has changed what was written
        if before and now < before.until:
            self._contested(outcome, ref, before, now)
            outcome.unscaled.append(action.id)
            return
        found = None
        if self._writer.has(key, action):
            found = await self._try(outcome, ref, self._writer.scale(key, action))
        if found is None:
            outcome.unscaled.append(action.id)
            return
        spec = found.get("spec")
        kept = isinstance(spec, dict) and spec.get("replicas") == action.replicas
        reason = f"{REPLICAS} was {action.before}, wanted {action.replicas}"
        write = self._scaling_conflicts.wrote(
            key, ref, str(action.replicas), now, before=before, reason=reason, writer=action.undoes, kept=kept
        )
        if write.contested:
            logs.warning("replicas were changed by another writer", name=ref.name, reason=reason, writer=action.undoes)
            self._contested(outcome, ref, write, now)

    async def _resume(self, key: Key, action: ResumeRollout, outcome: Outcome) -> None:
        """Continue a rollout. If there was nothing to correct, the snapshot is as good as before."""
        wrote = outcome.wrote
        corrected = await self._try(outcome, action.ref, self._writer.resume(key, action))
        outcome.wrote = wrote or bool(corrected)

    @staticmethod
    def _contested(outcome: Outcome, ref: Ref, write: Write, now: float) -> None:
        if write.contested:
            outcome.reverted.append(write.failure(ref))
        outcome.requeue_after = min(outcome.requeue_after or MAX_BACKOFF_S, write.until - now)

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
