"""The operator's Prometheus metrics, with units in their names; `docs/reference` is generated from this module.

No label here names a pipeline or an object: their number is unbounded. What is known of single pipelines is added from
their statuses (`report.pipeline_metrics`).
The names of the queue's metrics are those of client-go's workqueue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """All metrics of one operator, in their own registry."""

    def __init__(self) -> None:
        self._more: list[Callable[[], bytes]] = []
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"speechoperator_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"speechoperator_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, *labels: str, buckets: Iterable[float] = _BUCKETS_S) -> Histogram:
            return Histogram(f"speechoperator_{name}", text, labels, buckets=tuple(buckets), registry=registry)

        self.reconciles = counter("reconciles_total", "Reconciles, by result", "result")
        self.reconcile_duration = histogram("reconcile_duration_seconds", "Duration of a reconcile that did not fail")
        self.reconcile_cpu = histogram(
            "reconcile_cpu_seconds", "CPU time of observing and planning, which block all other work"
        )
        self.errors = counter(
            "errors_total",
            "Failed reconciles, rejected writes, failed lists, pulls, warm-ups and removals of models, by error code",
            "code",
        )
        self.writes = counter("writes_total", "Writes to the API server, by cause", "kind", "verb", "why")
        self.api_requests = counter("api_requests_total", "Requests to the API server", "verb", "resource", "status")
        self.api_waiting = gauge(
            "api_requests_waiting", "Requests that wait because of KUBE_API_QPS; more than a few for long: raise it"
        )
        self.events = counter("watch_events_total", "Watch events", "kind", "changed")
        self.watch_restarts = counter("watch_restarts_total", "Restarts of all watches after one failed")
        self.unreadable_kinds = gauge(
            "unreadable_kinds", "Kinds of objects that could not be listed last time; their last known state is used"
        )
        self.queue_depth = gauge("workqueue_depth", "Pipelines waiting for a worker")
        self.queue_duration = histogram("workqueue_queue_duration_seconds", "Time a pipeline waited for a worker")
        self.retries = counter("workqueue_retries_total", "Reconciles delayed because the previous one failed")
        self.pipelines = gauge("pipelines", "Pipelines that exist")
        self.load_streams = gauge(
            "load_streams", "Bridges and Whisper pods whose load is followed, at most MAX_LOAD_STREAMS"
        )
        self.leader = gauge("leader", "1 while this replica is the leader, 0 on standby")
        self.pulls = gauge("pulls_running", "Model pulls in progress")
        self.pull_bytes = counter("pull_bytes_total", "Bytes of models pulled")
        self.pulls_ended = counter("pulls_total", "Model pulls that ended", "outcome")
        self.warm_ups = counter("warm_ups_total", "Loads of a pod's models into memory that ended", "outcome")

    def follow(self, gauge: Gauge, read: Callable[[], float]) -> None:
        """Make a gauge read its value when it is scraped."""
        gauge.set_function(read)

    def include(self, render: Callable[[], bytes]) -> None:
        """Add what a function renders on each scrape, in the same format."""
        self._more.append(render)

    def exposition(self) -> bytes:
        """Return the text of `/metrics`."""
        return generate_latest(self.registry) + b"".join(render() for render in self._more)
