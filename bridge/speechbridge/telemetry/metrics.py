"""The bridge's Prometheus metrics, each with its unit in its name; `docs/reference/metrics.md` is held to this module.

Labels are bounded: `model` takes at most 32 names and then `other`; callers can name only models that are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any

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

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
_BYTES = tuple(float(4**power) for power in range(5, 15))  # 1 KiB to 256 MiB
_FACTORS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_MOST_MODELS = 32
_STAGE_OUTCOMES = ("ok", "failed", "cancelled")


@dataclass(frozen=True)
class Stage:
    """The metrics of a stage and a model, looked up once: this is done for every request."""

    in_flight: Gauge
    seconds: dict[str, Histogram]

    def enter(self) -> float:
        """Count one in; return when that was, for `leave`."""
        self.in_flight.inc()
        return perf_counter()

    def leave(self, entered: float, error: BaseException | None) -> None:
        """Count one out, by how it ended."""
        outcome = "ok" if error is None else "failed" if isinstance(error, Exception) else "cancelled"
        self.in_flight.dec()
        self.seconds[outcome].observe(perf_counter() - entered)


class Metrics:
    """All metrics of one bridge, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._models: set[str] = set()
        self._stages: dict[tuple[str, str], Stage] = {}

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"speechbridge_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"speechbridge_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, *labels: str, buckets: Iterable[float] = _SECONDS) -> Histogram:
            return Histogram(f"speechbridge_{name}", text, labels, buckets=tuple(buckets), registry=registry)

        self.requests = counter("requests_total", "Requests answered", "route", "outcome")
        self.request_seconds = histogram(
            "request_duration_seconds", "From the first byte of a request to the last of its answer", "route"
        )
        self.stage_seconds = histogram(
            "stage_duration_seconds",
            "Time in a stage: queue (for a turn and for a pod), transcribe, generate",
            "stage",
            "outcome",
            "model",
        )
        self.first_segment_seconds = histogram(
            "time_to_first_segment_seconds", "From the start of a request to its first transcribed segment"
        )
        self.first_token_seconds = histogram(
            "time_to_first_token_seconds", "From the start of a request to the first token of the answer", "model"
        )
        self.in_flight = gauge("in_flight", "Requests now in a stage: queue, transcribe or generate", "stage")
        self.queue_depth = gauge("queue_depth", "Requests now waiting: for a turn (admission) or for a pod", "queue")
        self.audio_waiting = gauge("audio_waiting_seconds", "Audio that waits for a Whisper pod now")
        self.audio = counter("audio_seconds_total", "Audio transcribed")
        self.tokens = counter("tokens_total", "Tokens, as the language model counts them", "kind", "model")
        self.upload_bytes = histogram("upload_bytes", "Size of the audio of a request", buckets=_BYTES)
        self.upstream_failures = counter(
            "upstream_failures_total", "Calls to a pod that failed, retried ones too", "upstream", "kind"
        )
        self.realtime_factor = histogram(
            "realtime_factor", "Seconds of work per second of audio, per transcript", buckets=_FACTORS
        )
        self.pods = gauge("upstream_pods", "Pods that the upstream's name resolves to", "upstream")

    def stage(self, name: str, model: str = "") -> Stage:
        """Return what measures a stage: its duration by outcome (ok, failed, cancelled), and how many are in it."""
        key = (name, model)
        if key not in self._stages:
            seconds = {outcome: self.stage_seconds.labels(name, outcome, model) for outcome in _STAGE_OUTCOMES}
            self._stages[key] = Stage(self.in_flight.labels(name), seconds)
        return self._stages[key]

    @lru_cache(maxsize=512)  # noqa: B019 - one Metrics lives as long as its process
    def child(self, metric: Counter | Histogram, *labels: str) -> Any:
        """Return a metric for some labels, looked up once."""
        return metric.labels(*labels)

    def follow(self, gauge: Gauge, read: Callable[[], float], *labels: str) -> None:
        """Let a gauge read its value when it is scraped."""
        (gauge.labels(*labels) if labels else gauge).set_function(read)

    def model_label(self, model: str) -> str:
        """Return a model's name as a label; past 32 names all further ones are `other`."""
        if model in self._models:
            return model
        if len(self._models) < _MOST_MODELS:
            self._models.add(model)
            return model
        return "other"

    def exposition(self) -> bytes:
        """Return the text of `/metrics`."""
        return generate_latest(self.registry)
