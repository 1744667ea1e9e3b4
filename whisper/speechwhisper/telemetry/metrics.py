"""Prometheus metrics; `docs/reference/whisper-metrics.md` is generated from this module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from speechwhisper.admission.load import Load

_FIRST_SEGMENT_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_BATCH_BLOCKS = (1, 2, 4, 8, 16, 32, 64)
_BATCH_WINDOW_S = (6, 10, 15, 20, 30)
_BATCH_WAIT_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BATCH_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_REQUEST_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)


class Metrics:
    """The metrics of one server, in a registry of their own.

    Args:
        model: Name of the model.
        batch_size: Largest number of blocks in a batch.
        load: Reads the load.
    """

    def __init__(self, model: str, batch_size: Callable[[], int], load: Callable[[], Load]) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"speechwhisper_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, read: Callable[[Load], float]) -> None:
            Gauge(f"speechwhisper_{name}", text, registry=registry).set_function(lambda: read(load()))

        def histogram(name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(f"speechwhisper_{name}", text, labels, buckets=buckets, registry=registry)

        self.requests = counter("requests_total", "Requests completed", "route", "outcome")
        self.request_seconds = histogram(
            "request_duration_seconds",
            "Time from the headers of a request to the last byte of its response",
            _REQUEST_BUCKETS,
            "route",
        )
        self.first_segment_seconds = histogram(
            "time_to_first_segment_seconds",
            "Time from the moment a request has a slot to its first transcribed segment",
            _FIRST_SEGMENT_BUCKETS,
        )
        self.upload_bytes = counter("upload_bytes_total", "Size of the audio files received")
        self.audio_seconds = counter("audio_seconds_total", "Duration of the audio received for transcription")
        self.speech_seconds = counter("speech_seconds_total", "Duration of the speech detected in that audio")
        self.transcribed_seconds = counter(
            "transcribed_seconds_total", "Duration of the audio passed to the model; long pauses are not"
        )
        self.doubtful_seconds = counter(
            "doubtful_seconds_total", "Duration of the stretches whose transcript may be wrong or lacks words", "reason"
        )
        self.skipped_seconds = counter(
            "skipped_seconds_total",
            "Duration of the audio without data in its file: damaged, absent or cut off",
            "reason",
        )
        self.decode_seconds = counter("decode_duration_seconds_total", "Time spent decoding")
        self.batch_blocks = histogram("batch_blocks", "Blocks of speech in a batch", _BATCH_BLOCKS)
        self.batch_window = histogram(
            "batch_window_seconds", "Duration of the encoder's window of a batch", _BATCH_WINDOW_S
        )
        self.batch_wait = histogram(
            "batch_wait_seconds", "Time for which the first block of a batch waited for the model", _BATCH_WAIT_S
        )
        self.batch_seconds = histogram("batch_duration_seconds", "Time that the model took for a batch", _BATCH_S)
        gauge("batch_blocks_max", "Most blocks in a batch", lambda _: batch_size())
        gauge("slots", "Requests that can be decoded concurrently", lambda now: now.slots)
        gauge("slots_busy", "Slots in use", lambda now: now.working)
        gauge(
            "audio_left_seconds",
            "Duration of the audio that running jobs have yet to transcribe",
            lambda now: now.audio_seconds_working,
        )
        gauge("requests_waiting", "Requests in the queue for a slot", lambda now: now.waiting)
        gauge(
            "audio_waiting_seconds",
            "Duration of the audio in the queue; where unknown, the average of earlier recordings",
            lambda now: now.audio_seconds_waiting,
        )
        gauge(
            "oldest_wait_seconds",
            "Time for which the first request in the queue has waited",
            lambda now: now.oldest_wait_seconds,
        )
        gauge(
            "realtime_factor",
            "Processing time per second of audio while decoding; 0 before the first measurement",
            _realtime_factor,
        )
        Gauge("speechwhisper_model_info", "The loaded model; always 1", ["model"], registry=registry).labels(model).set(
            1
        )

    def exposition(self, *, open_metrics: bool = False) -> tuple[bytes, str]:
        """Return the body of `/metrics` and its content type: Prometheus text 0.0.4, or OpenMetrics with exemplars.

        There is one version of each format. The client's `choose_encoder` fails for versions that it does not know, and
        echoes others.
        """
        if open_metrics:
            return openmetrics.generate_latest(self.registry), openmetrics.CONTENT_TYPE_LATEST  # type: ignore[no-untyped-call]
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4


def exemplar(trace_id: str) -> dict[str, str] | None:
    """Return the exemplar of a value that belongs to a trace; None if it belongs to none that is sampled."""
    return {"trace_id": trace_id} if trace_id else None


def _realtime_factor(load: Load) -> float:
    speed = load.audio_seconds_per_second
    return 1 / speed if speed else 0.0
