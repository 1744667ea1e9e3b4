"""What both stages have in common: attempts at the pods of one upstream, measured and retried."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

from speechbridge.admission.retry_after import retry_after_outage
from speechbridge.audio.port import RestartRequired
from speechbridge.errors import Problem
from speechbridge.stages.problems import problem_of
from speechbridge.stages.retry import Retry
from speechbridge.upstreams.acquisition import PodRequest
from speechbridge.upstreams.failures import FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechbridge.stages.call import Call
    from speechbridge.stages.demand import Demand, Want
    from speechbridge.stages.hold import Hold
    from speechbridge.stages.problems import StageName
    from speechbridge.telemetry.metrics import Metrics
    from speechbridge.telemetry.pod_span import Operation, PodSpan
    from speechbridge.upstreams.acquisition import Acquisition
    from speechbridge.upstreams.endpoint import Endpoint
    from speechbridge.upstreams.pool import Pool

_REQUESTS_FAULT = frozenset({FailureKind.BAD_AUDIO, FailureKind.BAD_REQUEST, FailureKind.OVERFLOW})


class Stage:
    """A stage of a request, done by one of the pods of an upstream.

    Args:
        pool: The pods.
        demand: Counts the requests.
        hold: Holds requests while no pod can be reached.
        metrics: Where waits, durations and failures are recorded.
        retry_after: Returns the seconds to report in Retry-After when every pod is busy.
        clock: Seconds of a monotonic clock.
    """

    name: ClassVar[StageName]
    upstream: ClassVar[str]
    """The upstream's label in the metrics."""
    operation: ClassVar[Operation]
    """What its pods do, in traces."""

    def __init__(
        self,
        pool: Pool,
        demand: Demand,
        hold: Hold,
        metrics: Metrics,
        retry_after: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        self.demand = demand
        self.hold = hold
        self.metrics = metrics
        self._pool = pool
        self._retry_after = retry_after
        self._clock = clock
        self._endpoints = lambda: pool.endpoints

    def _retry(self, call: Call) -> Retry:
        return Retry(call.budget, self._clock, self._endpoints)

    async def _until_reachable(self, call: Call, model: str = "", audio_seconds: float = 0.0) -> None:
        """Hold a request that finds no pod that can be reached; raises as `Hold.until_reachable` does."""
        measured = self.metrics.stage("queue", self.metrics.model_label(model) if model else "")
        entered, outcome = measured.enter(), "ok"
        began = call.timeline.clock()
        try:
            await self.hold.until_reachable(call, audio_seconds)
        except BaseException as error:
            outcome = outcome_of(error, expired=bool(call.deadline.expired))
            if isinstance(error, UpstreamError):
                self.metrics.upstream_failures.labels(self.upstream, error.kind).inc()
            raise
        finally:
            measured.leave(entered, outcome, call.timeline.trace_id)
            if call.trace is not None:
                call.trace.waited("hold", self.upstream, began, "" if outcome == "ok" else outcome)

    def _attempt(self, retry: Retry, call: Call, model: str, prefer: Endpoint | None = None) -> Attempt:
        """Have a pod work at once."""
        request = PodRequest(call.budget, retry.failed, prefer, retry.retrying, model)
        want = self.demand.want()
        return Attempt(self, self._pool.acquire(request), retry, call, want, self.metrics.model_label(model))

    def _queued_attempt(self, retry: Retry, call: Call, audio_seconds: float, on_begin: Callable[[], None]) -> Attempt:
        """Have a pod work that may queue the request first; `on_begin` is called when it may begin."""
        request = PodRequest(call.budget, retry.failed, None, retry.retrying, "", audio_seconds, retry.may_recover)
        want = self.demand.want(audio_seconds)
        return Attempt(self, self._pool.acquire(request), retry, call, want, "", on_begin)

    def _problem(self, error: UpstreamError) -> Problem:
        outage = retry_after_outage(self._pool.reachability.remaining())
        return problem_of(self.name, error, busy=self._retry_after(), outage=outage)


class Attempt:
    """A pod acquired for one attempt at a stage: the wait, the work and a failure are recorded.

    A class rather than a decorated generator, since it takes half the CPU; all hot paths here do this.

    Args:
        stage: The stage.
        acquisition: Acquires the pod.
        retry: The attempts of the request so far.
        call: The request, whose wait is recorded.
        want: Counts the request.
        model: The model's label in the metrics.
        on_begin: Called when the pod may begin to work; None if it begins as soon as it is acquired.

    Attributes:
        span: Its span; None if the request is not traced.
        headers: Header lines for the pod.
    """

    __slots__ = (
        "_acquisition",
        "_deadline",
        "_entered",
        "_measured",
        "_model",
        "_on_begin",
        "_queued_at",
        "_retry",
        "_stage",
        "_timeline",
        "_want",
        "headers",
        "span",
    )

    def __init__(
        self,
        stage: Stage,
        acquisition: Acquisition,
        retry: Retry,
        call: Call,
        want: Want,
        model: str,
        on_begin: Callable[[], None] | None = None,
    ) -> None:
        self._stage = stage
        self._acquisition = acquisition
        self._retry = retry
        self._timeline = call.timeline
        self._deadline = call.deadline
        self._want = want
        self._model = model
        self._on_begin = on_begin
        self._queued_at: float | None = None
        self.headers = call.headers
        self.span: PodSpan | None = None
        if call.trace is not None:
            self.span = call.trace.attempt(stage.operation, stage.upstream, acquisition.request.model)

    async def __aenter__(self) -> Acquisition:
        self._enter("queue")
        self._queued_at = self._timeline.clock()
        self._acquisition.on_wait = self._want.held
        try:
            await self._acquisition.__aenter__()
        except BaseException as error:
            self._want.leave(error)
            self._leave(error)
            raise
        self._retry.begin()
        if self.span is not None:
            self.headers += self.span.acquired(self._acquisition.endpoint, waited=self._acquisition.waited)
        if self._on_begin is None:
            self._begin()
        else:
            self._want.waiting()
            self._acquisition.on_begin = self._begin
        return self._acquisition

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        self._want.leave(error)
        self._leave(error)
        self._retry.end(self._acquisition.endpoint)
        self._acquisition.on_wait = self._acquisition.on_begin = None  # no cycle that only the collector would free
        await self._acquisition.__aexit__(kind, error)

    def _begin(self) -> None:
        """Record that the wait is over and the work begins."""
        self._want.working()
        self._leave_queue(None)
        self._enter(self._stage.name)
        if self._on_begin is not None:
            if self.span is not None:
                self.span.accepted(self._acquisition.endpoint)
            self._on_begin()

    def _enter(self, stage: str) -> None:
        self._measured = self._stage.metrics.stage(stage, self._model)
        self._entered = self._measured.enter()

    def _leave(self, error: BaseException | None) -> None:
        if self._queued_at is not None:
            self._leave_queue(error)
        else:
            self._leave_stage(error)
        if isinstance(error, UpstreamError):
            self._stage.metrics.upstream_failures.labels(self._stage.upstream, error.kind).inc()
        if self.span is not None:
            self.span.end("" if error is None else self._error_type(error))

    def _leave_queue(self, error: BaseException | None) -> None:
        self._leave_stage(error)
        if self._queued_at is not None:
            self._timeline.queued += self._timeline.clock() - self._queued_at
            self._queued_at = None

    def _leave_stage(self, error: BaseException | None) -> None:
        outcome = "ok" if error is None else self._outcome(error)
        self._measured.leave(self._entered, outcome, self._timeline.trace_id)

    def _error_type(self, error: BaseException) -> str:
        return error.kind if isinstance(error, UpstreamError) else self._outcome(error)

    def _outcome(self, error: BaseException) -> str:
        return outcome_of(error, expired=bool(self._deadline.expired))


def outcome_of(error: BaseException | None, *, expired: bool = False) -> str:
    """Return the class of what ended an attempt, for metrics: only `failed` is a fault of the platform.

    Args:
        error: What was raised, if anything.
        expired: Whether the deadline was reached: it ends a stage by cancelling it.
    """
    match error:
        case None:
            return "ok"
        case RestartRequired():
            return "restarted"
        case UpstreamError(kind=FailureKind.BUSY):
            return "busy"
        case UpstreamError(kind=kind):
            rejected = kind in _REQUESTS_FAULT
        case Problem(status=status):
            rejected = status < HTTPStatus.INTERNAL_SERVER_ERROR
        case _:
            # A ConnectionError is the client's, which receives the result: those of pods are UpstreamErrors.
            if isinstance(error, Exception) and not isinstance(error, ConnectionError):
                return "failed"
            return "deadline" if expired else "cancelled"
    return "rejected" if rejected else "failed"
