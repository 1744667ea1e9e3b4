"""Prometheus metrics; their names and descriptions are listed in `docs/reference/whisper-server.md`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_SEGMENT_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_REQUEST_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)


class Metrics:
    """The metrics of one server, in a registry of their own.

    Args:
        model: Name of the model.
        slots: Number of slots.
        slots_busy: Reads the number of busy slots.
        audio_left: Reads the seconds of audio that running jobs have yet to transcribe.
        realtime_factor: Reads the seconds of work per second of audio.
    """

    def __init__(
        self,
        model: str,
        *,
        slots: int,
        slots_busy: Callable[[], float],
        audio_left: Callable[[], float],
        realtime_factor: Callable[[], float],
    ) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"speechwhisper_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"speechwhisper_{name}", text, labels, registry=registry)

        self.requests = counter("requests_total", "Requests completed", "route", "outcome")
        self.request_seconds = Histogram(
            "speechwhisper_request_duration_seconds",
            "Time from the headers of a request to the last byte of its response",
            ["route"],
            buckets=_REQUEST_BUCKETS,
            registry=registry,
        )
        self.first_segment_seconds = Histogram(
            "speechwhisper_time_to_first_segment_seconds",
            "Time from the start of a request to its first transcribed segment",
            buckets=_FIRST_SEGMENT_BUCKETS,
            registry=registry,
        )
        self.upload_bytes = counter("upload_bytes_total", "Size of the audio files received")
        self.audio_seconds = counter("audio_seconds_total", "Duration of the audio received for transcription")
        self.speech_seconds = counter("speech_seconds_total", "Duration of the speech detected in that audio")
        self.decode_seconds = counter("decode_duration_seconds_total", "Time spent decoding")
        gauge("slots", "Requests that can be decoded concurrently").set(slots)
        gauge("slots_busy", "Slots in use").set_function(slots_busy)
        gauge("audio_left_seconds", "Duration of the audio that running jobs have yet to transcribe").set_function(
            audio_left
        )
        gauge("realtime_factor", "Processing time per second of audio, a moving average over jobs").set_function(
            realtime_factor
        )
        gauge("model_info", "The loaded model; always 1", "model").labels(model).set(1)
