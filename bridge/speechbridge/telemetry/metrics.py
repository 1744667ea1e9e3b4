"""The bridge's Prometheus metrics; `docs/reference/metrics.md` is generated from this module.

The number of label values is bounded: `model` has at most 32, all of models that exist; any other name is `other`.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from prometheus_client import CollectorRegistry, Gauge, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from speechbridge.telemetry.gen_ai import GenAi
from speechbridge.telemetry.instruments import CounterFamily, Family, GaugeFamily, HistogramFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from speechbridge.telemetry.instruments import Distribution, Number

AnyFamily = TypeVar("AnyFamily", bound=Family[Any])
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
_TOKEN_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5)
_BYTES = tuple(float(4**power) for power in range(5, 15))  # 1 KiB to 256 MiB
_MAX_MODELS = 32
STAGE_OUTCOMES = {
    "ok": "",
    "failed": "",
    "busy": "pod",
    "rejected": "because of the request",
    "restarted": "paused upload, late field",
    "deadline": "",
    "cancelled": "",
}
"""With notes on some. Only `failed` is a fault of the platform; `stages/attempt.py` tells them apart."""
REQUEST_OUTCOMES = {
    "ok": "",
    "partial": "transcribed, but generation failed",
    "rejected": "4xx",
    "overloaded": "",
    "failed": "",
    "deadline": "no progress, or the total used up",
    "cancelled": "client disconnected",
}
"""Of whole requests, likewise; see `Problem.outcome` and `api/middleware.py`."""


@dataclass(frozen=True)
class Stage:
    """The metrics of a stage and a model, looked up once instead of per request."""

    in_flight: Number
    seconds: dict[str, Distribution]

    def enter(self) -> float:
        """Count a request as in flight; return the time, for `leave`."""
        self.in_flight.value += 1
        return perf_counter()

    def leave(self, entered: float, outcome: str, trace_id: str) -> None:
        """Record the duration by outcome, and the trace that it belongs to, if any."""
        self.in_flight.value -= 1
        self.seconds[outcome].observe(perf_counter() - entered, trace_id)


class Metrics:
    """The metrics of one bridge: in a registry of their own, and those of requests in `families`.

    Args:
        provider: The kind of the language model's server.
    """

    def __init__(self, provider: str = "ollama") -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.families: list[Family[Any]] = []
        self._models: set[str] = set()
        self._stages: dict[tuple[str, str], Stage] = {}

        def registered(family: AnyFamily) -> AnyFamily:
            self.families.append(family)
            return family

        def counter(name: str, text: str, *labels: str) -> CounterFamily:
            return registered(CounterFamily(f"speechbridge_{name}", text, labels))

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"speechbridge_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, *labels: str, bounds: tuple[float, ...] = _SECONDS) -> HistogramFamily:
            return registered(HistogramFamily(f"speechbridge_{name}", text, labels, bounds=bounds))

        self.requests = counter("requests_total", "Requests completed", "route", "outcome")
        self.request_seconds = histogram(
            "request_duration_seconds", "Time from the headers of a request to the last byte of its response", "route"
        )
        self.stage_seconds = histogram(
            "stage_duration_seconds",
            "Duration of a stage: queue (waiting for admission and for a pod), transcribe, generate; outcome: "
            + ", ".join(f"{outcome} ({note})" if note else outcome for outcome, note in STAGE_OUTCOMES.items()),
            "stage",
            "outcome",
            "model",
        )
        self.first_segment_seconds = histogram(
            "time_to_first_segment_seconds",
            "Time from the start of a request to its first transcribed segment, where Whisper reports segments",
        ).labels()
        self.first_token_seconds = histogram(
            "time_to_first_token_seconds", "Time from the start of a request to the first token of the answer", "model"
        )
        self.token_seconds = histogram(
            "time_per_output_token_seconds",
            "Time per token of an answer after the first one",
            "model",
            bounds=_TOKEN_SECONDS,
        )
        self.gen_ai = GenAi(provider, self.token_seconds)
        self.families += self.gen_ai.families
        self.held = gauge("requests_held", "Requests that no pod has", "stage")
        self.oldest_wait = gauge(
            "oldest_wait_seconds", "Time for which the first request that is not in work has waited", "stage"
        )
        self.hold_seconds = histogram(
            "hold_duration_seconds",
            "Time for which a request was held because no pod could be reached; outcome as of a stage",
            "stage",
            "outcome",
        )
        self.in_flight = registered(
            GaugeFamily(
                "speechbridge_requests_in_flight", "Requests in a stage: queue, transcribe or generate", ["stage"]
            )
        )
        self.queue_depth = gauge("queue_depth", "Requests waiting for admission or for a pod", "queue")
        self.audio_waiting = gauge(
            "audio_waiting_seconds",
            "Estimated duration of the audio without a Whisper pod: queued, arriving, or waiting for a pod",
        )
        self.audio = counter("audio_seconds_total", "Duration of the audio transcribed").labels()
        self.work = counter(
            "transcription_seconds_total",
            "Time in which Whisper pods processed the audio in audio_seconds_total; waits for senders and receivers are"
            " excluded",
        ).labels()
        self.tokens = counter("tokens_total", "Tokens, as counted by the language model", "kind", "model")
        self.uploads = gauge("uploads_in_flight", "Requests whose upload has not been received completely")
        self.buffered = gauge("buffered_bytes", "Bytes that requests hold, within their budgets", "where")
        self.connections = gauge("client_connections", "Connections of clients")
        self.connections_closed = counter(
            "client_connections_closed_total", "Connections of clients that reached a limit", "reason"
        )
        self.upload_bytes = histogram("upload_size_bytes", "Size of the audio of a request", bounds=_BYTES).labels()
        self.upstream_failures = counter(
            "upstream_failures_total", "Failed calls to pods, including retried ones", "upstream", "kind"
        )
        self.realtime_factor = gauge(
            "realtime_factor", "Processing time per second of audio, as a quotient of the sums of recent transcripts"
        )
        self.pods = gauge("upstream_pods", "Pods that the host of the upstream resolves to", "upstream")

    def stage(self, name: str, model: str = "") -> Stage:
        """Return the metrics of a stage: duration by outcome, and requests in flight."""
        stage = self._stages.get((name, model))
        if stage is None:
            seconds = {outcome: self.stage_seconds.labels(name, outcome, model) for outcome in STAGE_OUTCOMES}
            stage = self._stages[name, model] = Stage(self.in_flight.labels(name), seconds)
        return stage

    def expect_requests(self, routes: Iterable[str]) -> None:
        """Let the requests of these routes count from 0: Prometheus sees no increase in a series that begins at 1."""
        for route in routes:
            for outcome in REQUEST_OUTCOMES:
                self.requests.labels(route, outcome)

    def set_function(self, gauge: Gauge, read: Callable[[], float], *labels: str) -> None:
        """Have a gauge call `read` for its value when it is scraped."""
        (gauge.labels(*labels) if labels else gauge).set_function(read)

    def know_models(self, names: Iterable[str]) -> None:
        """Let the first 32 models that exist be labels."""
        new = [name for name in names if name not in self._models]
        self._models.update(new[: _MAX_MODELS - len(self._models)])

    def model_label(self, model: str) -> str:
        """Return the label value of a model: its name, or `other` if it is not known to exist."""
        return model if model in self._models else "other"

    def exposition(self, *, open_metrics: bool = False) -> tuple[bytes, str]:
        """Return the body of `/metrics` and its content type: Prometheus text 0.0.4, or OpenMetrics with exemplars.

        There is one version of each format. The client's `choose_encoder` fails for versions that it does not know, and
        echoes others.
        """
        ours = "".join(family.render(open_metrics=open_metrics) for family in self.families).encode()
        if open_metrics:
            return ours + openmetrics.generate_latest(self.registry), openmetrics.CONTENT_TYPE_LATEST  # type: ignore[no-untyped-call]
        return ours + generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4
