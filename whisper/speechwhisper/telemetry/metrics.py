"""Prometheus metrics; names and meanings are listed in docs/reference/whisper-server.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_SEGMENT_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_REQUEST_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)


class Metrics:
    """One server's metrics, in a registry of their own."""

    def __init__(
        self,
        model: str,
        *,
        slots: int,
        slots_busy: Callable[[], float],
        audio_left: Callable[[], float],
        realtime_factor: Callable[[], float],
    ) -> None:
        self.registry = CollectorRegistry()
        prefix = "speechwhisper"
        self.requests = Counter(
            f"{prefix}_requests",
            "Requests by route and outcome: ok, a refusal's code, client_left or internal",
            ["route", "outcome"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            f"{prefix}_request_seconds",
            "Seconds from a request's head to the end of its answer",
            ["route"],
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        self.first_segment = Histogram(
            f"{prefix}_first_segment_seconds",
            "Seconds from a request's head to its first decoded segment",
            buckets=_FIRST_SEGMENT_BUCKETS,
            registry=self.registry,
        )
        self.upload_bytes = Counter(f"{prefix}_upload_bytes", "Bytes of audio files received", registry=self.registry)
        self.audio_seconds = Counter(
            f"{prefix}_audio_seconds", "Seconds of audio taken for recognition", registry=self.registry
        )
        self.speech_seconds = Counter(
            f"{prefix}_speech_seconds", "Seconds of speech found in that audio", registry=self.registry
        )
        self.decode_seconds = Counter(
            f"{prefix}_decode_seconds", "Seconds spent on recognition", registry=self.registry
        )
        self._gauge("slots", "Requests that may be decoded at the same time").set(slots)
        self._gauge("slots_busy", "Slots that are taken").set_function(slots_busy)
        self._gauge("audio_left_seconds", "Seconds of audio that running jobs have before them").set_function(
            audio_left
        )
        self._gauge("realtime_factor", "Seconds of audio decoded per second, a running mean").set_function(
            realtime_factor
        )
        info = Gauge(f"{prefix}_model_info", "The model that is loaded; always 1", ["model"], registry=self.registry)
        info.labels(model).set(1)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(f"speechwhisper_{name}", meaning, registry=self.registry)
