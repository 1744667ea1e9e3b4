"""One pipeline, once round: observe, plan, apply, report. All that matters is in the cluster, and is read anew."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter, thread_time
from typing import TYPE_CHECKING

from pydantic import ValidationError

from speechoperator.api import SpeechPipeline, format_validation_error, kinds
from speechoperator.apply.applier import Outcome
from speechoperator.kube.objects import Ref
from speechoperator.observe.observer import View
from speechoperator.plan import Plan, plan, rejected
from speechoperator.plan.snapshot import Snapshot, WriteFailure

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from speechoperator.apply.applier import Applier
    from speechoperator.kube.objects import Key, Object
    from speechoperator.observe.observer import Observer
    from speechoperator.observe.polling import Answers
    from speechoperator.ollama.pulls import Pulls
    from speechoperator.report.reporter import Reporter
    from speechoperator.settings import Settings
    from speechoperator.telemetry.metrics import Metrics
    from speechoperator.watch.store import Store

_AT_ONCE = 0.1


@dataclass(frozen=True, slots=True)
class Result:
    """How a reconcile ended.

    Attributes:
        refused: Whether something was refused and is to be tried again, later each time.
        retry_after: Seconds that the API server wants to be left alone for.
        requeue_after: In how many seconds time alone changes what is to be done; None when it does not.
    """

    refused: bool = False
    retry_after: float = 0.0
    requeue_after: float | None = None


class Reconciler:
    """Reconciles pipelines, each by one caller at a time.

    Args:
        store: What is known.
        observer: Observes.
        applier: Applies.
        reporter: Reports.
        pulls: Pulls to end when a pipeline goes.
        answers: Answers to forget then.
        settings: The settings.
        metrics: Where time is counted.
        clock: Tells the time.
    """

    def __init__(
        self,
        store: Store,
        observer: Observer,
        applier: Applier,
        reporter: Reporter,
        pulls: Pulls,
        answers: Answers,
        settings: Settings,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._observer = observer
        self._applier = applier
        self._reporter = reporter
        self._pulls = pulls
        self._answers = answers
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._failures: dict[Key, tuple[WriteFailure, ...]] = {}

    async def reconcile(self, key: Key) -> Result:
        """Bring a pipeline nearer to what it shall be, and say how it stands.

        Raises:
            ApiError: the API server does not answer or fails.
            NotLeadingError: another replica may lead.
        """
        began = perf_counter()
        pipeline = self._store.pipeline(key)
        if pipeline is None or "deletionTimestamp" in pipeline["metadata"]:
            self.forget(key)
            return Result()
        planned, view = self._plan(key, pipeline)
        outcome = Outcome() if self._blind() else await self._applier.carry_out(key, planned, self._clock())
        if outcome.wrote or outcome.failures != self._failures.get(key, ()):
            self._failures[key] = outcome.failures
            planned, view = self._plan(key, pipeline)
        if view.complete:
            await self._reporter.report(key, planned, self._clock())
        self._metrics.reconcile_seconds.observe(perf_counter() - began)
        more = _AT_ONCE if outcome.wrote and _more(planned) and not outcome.failures else None
        waits = (planned.requeue_after, view.requeue_after, outcome.requeue_after, more)
        return Result(
            refused=bool(outcome.refused),
            retry_after=outcome.retry_after,
            requeue_after=min((wait for wait in waits if wait is not None), default=None),
        )

    def _plan(self, key: Key, raw: Object) -> tuple[Plan, View]:
        """Observe and plan."""
        began, now = thread_time(), self._clock()
        try:
            pipeline = SpeechPipeline.parse(raw)
        except ValidationError as error:
            return rejected(raw, format_validation_error(error), now), View(Snapshot(), None, complete=True)
        status = raw.get("status") or {}
        failures = (*self._unread(), *self._failures.get(key, ()))
        view = self._observer.observe(pipeline, key, status, now, failures)
        planned = plan(pipeline, view.snapshot, now, self._settings)
        self._metrics.reconcile_cpu_seconds.observe(thread_time() - began)
        return planned, view

    def _unread(self) -> tuple[WriteFailure, ...]:
        """Return what may not be read, in the same words as what may not be written."""
        return tuple(
            WriteFailure(Ref(kind, ""), error.request.verb, error.status, error.message)
            for kind, error in self._store.unreadable.items()
        )

    def _blind(self) -> bool:
        """Tell whether something is unknown that was never read: it may all be there, and nothing must be written."""
        needed = (kind for kind in kinds.WATCHED if kind not in kinds.OPTIONAL)
        return any(not self._store.listed(kind) for kind in needed)

    def forget(self, key: Key) -> None:
        """Let go of all that concerns a pipeline."""
        self._failures.pop(key, None)
        self._pulls.forget(key)
        self._answers.keep(key, ())
        self._applier.forget(key)
        self._reporter.forget(key)


def _more(planned: Plan) -> bool:
    return bool(planned.orphan or planned.apply or planned.delete or planned.stops or planned.pulls or planned.gates)
