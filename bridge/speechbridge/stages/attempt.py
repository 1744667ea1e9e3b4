"""What both stages have in common: attempts at the pods of one upstream, measured and retried."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from speechbridge.stages.problems import problem_of
from speechbridge.stages.retry import Retry
from speechbridge.upstreams.failures import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechbridge.errors import Problem
    from speechbridge.stages.call import Call
    from speechbridge.stages.problems import StageName
    from speechbridge.telemetry.metrics import Metrics
    from speechbridge.upstreams.endpoint import Endpoint
    from speechbridge.upstreams.pool import Acquisition, Pool


class Stage:
    """A stage of a request, done by one of the pods of an upstream.

    Args:
        pool: The pods.
        metrics: Where waits, durations and failures are recorded.
        retry_after: Returns the seconds to report in Retry-After when every pod is busy.
        clock: Seconds of a monotonic clock.
    """

    name: ClassVar[StageName]
    upstream: ClassVar[str]
    """The upstream's label in the metrics."""

    def __init__(
        self, pool: Pool, metrics: Metrics, retry_after: Callable[[], int], clock: Callable[[], float]
    ) -> None:
        self.metrics = metrics
        self._pool = pool
        self._retry_after = retry_after
        self._clock = clock

    def _retry(self, call: Call) -> Retry:
        return Retry(call.budget, self._clock)

    def _attempt(self, retry: Retry, call: Call, model: str = "", prefer: Endpoint | None = None) -> Attempt:
        acquisition = self._pool.acquire(call.budget, avoid=retry.failed, prefer=prefer, retry=retry.retrying)
        return Attempt(self, acquisition, retry, call, model)

    def _problem(self, error: UpstreamError) -> Problem:
        return problem_of(self.name, error, self._retry_after())


class Attempt:
    """A pod acquired for one attempt at a stage: the wait, the work and a failure are recorded.

    A class rather than a decorated generator, since it takes half the CPU; all hot paths here do this.
    """

    __slots__ = ("_acquisition", "_deadline", "_entered", "_metrics", "_model", "_retry", "_stage", "_timeline")

    def __init__(self, stage: Stage, acquisition: Acquisition, retry: Retry, call: Call, model: str) -> None:
        self._stage = stage
        self._acquisition = acquisition
        self._retry = retry
        self._timeline = call.timeline
        self._deadline = call.deadline
        self._model = model

    async def __aenter__(self) -> Endpoint:
        metrics = self._stage.metrics
        queue = metrics.stage("queue", self._model)
        queued, error = queue.enter(), None
        since = self._timeline.clock()
        try:
            endpoint = await self._acquisition.__aenter__()
        except BaseException as failure:
            error = failure
            self._count(failure)
            raise
        finally:
            queue.leave(queued, error, deadline=bool(self._deadline.expired))
            self._timeline.queued += self._timeline.clock() - since
        self._retry.begin(endpoint)
        self._metrics = metrics.stage(self._stage.name, self._model)
        self._entered = self._metrics.enter()
        return endpoint

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        self._metrics.leave(self._entered, error, deadline=bool(self._deadline.expired))
        self._count(error)
        await self._acquisition.__aexit__(kind, error)

    def _count(self, error: BaseException | None) -> None:
        if isinstance(error, UpstreamError):
            self._stage.metrics.upstream_failures.labels(self._stage.upstream, error.kind).inc()
