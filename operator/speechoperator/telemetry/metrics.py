"""The operator's Prometheus metrics, each with its unit in its name; `docs/reference` is held to this module.

No label names a pipeline or an object: their number is the users', and what is to be known of one is in its status.
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

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """All metrics of one operator, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"speechoperator_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"speechoperator_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, *labels: str, buckets: Iterable[float] = _SECONDS) -> Histogram:
            return Histogram(f"speechoperator_{name}", text, labels, buckets=tuple(buckets), registry=registry)

        self.reconciles = counter("reconciles_total", "Reconciles, by how they ended", "result")
        self.reconcile_seconds = histogram("reconcile_duration_seconds", "From the start of a reconcile to its end")
        self.reconcile_cpu_seconds = histogram(
            "reconcile_cpu_seconds", "CPU time of observing and planning, which hold up all other work while they run"
        )
        self.writes = counter(
            "writes_total", "Writes to the API server, by what called for them", "kind", "verb", "why"
        )
        self.api_requests = counter("api_requests_total", "Requests to the API server", "verb", "resource", "code")
        self.events = counter("watch_events_total", "Changes that a watch told of, by what they meant", "kind", "news")
        self.watch_restarts = counter("watch_restarts_total", "Times that a failed watch had all of them started anew")
        self.queue_depth = gauge("queue_depth", "Pipelines that wait for a worker")
        self.queue_seconds = histogram("queue_wait_seconds", "Time a pipeline waited for a worker")
        self.retries = counter("queue_retries_total", "Reconciles put off because the one before failed")
        self.pipelines = gauge("pipelines", "Pipelines that are known")
        self.leader = gauge("leader", "1 while this replica leads, 0 while it stands by")
        self.pulls = gauge("pulls_running", "Pulls of models that run now")
        self.pull_bytes = counter("pull_bytes_total", "Bytes of models pulled")
        self.pulls_ended = counter("pulls_total", "Pulls of models that ended", "outcome")

    def follow(self, gauge: Gauge, read: Callable[[], float]) -> None:
        """Let a gauge read its value when it is scraped."""
        gauge.set_function(read)

    def exposition(self) -> bytes:
        """Return the text of `/metrics`."""
        return generate_latest(self.registry)
