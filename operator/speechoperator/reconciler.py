"""One reconcile of one pipeline: observe -> plan -> apply -> report.

Level-triggered: everything that matters is in the cluster, and is read again every time.
"""

from __future__ import annotations

import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePath
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, TypeAlias

from speechoperator.apply.applier import Outcome
from speechoperator.built_manifests import BuiltManifests
from speechoperator.errors import NotLeadingError
from speechoperator.kube.errors import ApiError
from speechoperator.plan import Plan, failed, plan, rejected, unlisted
from speechoperator.plan.rollout.updates import uses_gpus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from speechoperator.apply.applier import Applier
    from speechoperator.kube.objects import Key
    from speechoperator.observe.observer import Observation, Observer
    from speechoperator.plan.snapshot import WriteFailure
    from speechoperator.report.reporter import Reporter
    from speechoperator.scaling_memory import ScalingMemory
    from speechoperator.settings import Settings
    from speechoperator.telemetry.metrics import Metrics
    from speechoperator.update_slots import UpdateSlots

_REQUEUE_AT_ONCE_S = 0.1

Forget: TypeAlias = "Callable[[Key], None]"


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a reconcile.

    Attributes:
        rejected: Whether a write was rejected and is to be retried, with backoff.
        retry_after: Seconds the API server asked to wait.
        requeue_after: In how many seconds time alone changes the plan; None if it does not.
    """

    rejected: bool = False
    retry_after: float = 0.0
    requeue_after: float | None = None


class Reconciler:
    """Reconciles pipelines; one caller at a time per pipeline.

    Args:
        observer: Returns what is known of a pipeline.
        applier: Carries out plans.
        reporter: Writes status and Events.
        slots: Which pipelines may be updated to a new operator release.
        memory: What the scaler remembers.
        forget: Called with a pipeline that is gone: whatever else keeps state about it.
        settings: The settings, for the plan.
        metrics: Where durations are recorded.
    """

    def __init__(
        self,
        observer: Observer,
        applier: Applier,
        reporter: Reporter,
        slots: UpdateSlots,
        memory: ScalingMemory,
        forget: Sequence[Forget],
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        self._observer = observer
        self._applier = applier
        self._reporter = reporter
        self._slots = slots
        self._memory = memory
        self._forget = (*forget, applier.forget, reporter.forget, slots.forget, memory.forget)
        self._settings = settings
        self._metrics = metrics
        self._failures: dict[Key, tuple[WriteFailure, ...]] = {}
        self._built = BuiltManifests()

    async def reconcile(self, key: Key) -> Result:
        """Bring a pipeline closer to its spec, and report its state.

        Raises:
            ApiError: the API server did not respond, or failed.
            NotLeadingError: another replica may be the leader.
            Exception: a bug in the operator; the pipeline's status says so.
        """
        try:
            return await self._reconcile(key)
        except (ApiError, NotLeadingError):
            raise
        except Exception as error:
            with suppress(ApiError, NotLeadingError):  # the failure itself is what is logged and retried
                await self._report_failure(key, error)
            raise

    async def _reconcile(self, key: Key) -> Result:
        began = perf_counter()
        decided = self._decide(key)
        if decided is None:
            return self._gone(key)
        observed, planned = decided
        outcome = await self._applier.apply(key, planned, observed.now) if observed.writable else Outcome()
        mode = observed.pipeline.spec.scaling.mode if observed.pipeline else ""
        scaled = self._memory.keep(key, planned.history, outcome.unscaled, mode)
        if scaled or outcome.wrote or outcome.failures != self._failures.get(key, ()):
            self._failures[key] = outcome.failures
            decided = self._decide(key)
            if decided is None:
                return self._gone(key)
            observed, planned = decided
        gpus = observed.pipeline is not None and uses_gpus(observed.pipeline)
        self._slots.note(key, planned.update, gpus=gpus)  # an invalid pipeline needs no slot
        changed = observed.complete and await self._reporter.report(key, planned, observed.now)
        self._metrics.reconcile_duration.observe(perf_counter() - began)
        return _result(observed, planned, outcome, changed=changed)

    def _decide(self, key: Key) -> tuple[Observation, Plan] | None:
        """Observe and plan; None if the pipeline is gone."""
        began = thread_time()
        observed = self._observer.observe(key, self._failures.get(key, ()))
        if observed is None:
            return None
        if observed.pipeline is None:
            planned = rejected(observed.raw, observed.invalid, observed.now)
        elif not observed.writable:
            planned = unlisted(observed.raw, observed.snapshot.unreadable, observed.now)
        else:
            history = self._memory.of(key, observed.snapshot.status, observed.now)
            snapshot = replace(observed.snapshot, history=history, built=self._built.of(key))
            planned = plan(observed.pipeline, snapshot, observed.now, self._settings)
            self._built.keep(key, planned.built)
        self._metrics.reconcile_cpu.observe(thread_time() - began)
        return observed, planned

    async def _report_failure(self, key: Key, error: Exception) -> None:
        """Report an unexpected exception: a pipeline that cannot be reconciled must say so."""
        raw = self._observer.raw(key)
        if raw is not None:
            now = self._observer.now()
            await self._reporter.report(key, failed(raw, _where(error), now), now)

    def _gone(self, key: Key) -> Result:
        self._failures.pop(key, None)
        self._built.keep(key, None)
        for forget in self._forget:
            forget(key)
        return Result()


def _where(error: Exception) -> str:
    """Return the type of an exception and where it was raised: "KeyError in diff.py, line 33"."""
    *_, last = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {PurePath(last.filename).name}, line {last.lineno}"


def _result(observed: Observation, planned: Plan, outcome: Outcome, *, changed: bool) -> Result:
    more = any((planned.orphan, planned.apply, planned.scales, planned.delete, planned.stops, planned.pulls))
    at_once = _REQUEUE_AT_ONCE_S if changed or (outcome.wrote and more and not outcome.failures) else None
    waits = (planned.requeue_after, observed.requeue_after, outcome.requeue_after, at_once)
    return Result(
        rejected=bool(outcome.rejected),
        retry_after=outcome.retry_after,
        requeue_after=min((wait for wait in waits if wait is not None), default=None),
    )
