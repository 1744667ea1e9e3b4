"""The components of a Whisper server, as the application carries them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from speechwhisper.admission.in_flight import InFlight
from speechwhisper.admission.slots import Bounds, Slots
from speechwhisper.jobs import Jobs
from speechwhisper.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechwhisper.recognition.port import Decoder
    from speechwhisper.settings import Settings
    from speechwhisper.telemetry.spans import Tracing


@dataclass(frozen=True)
class Service:
    """The components of a Whisper server; `tracing` is None where requests are not traced."""

    settings: Settings
    metrics: Metrics
    jobs: Jobs
    tracing: Tracing | None
    in_flight: InFlight = field(default_factory=InFlight)

    @property
    def slots(self) -> Slots:
        """The slots in which jobs run."""
        return self.jobs.slots


SERVICE = web.AppKey("service", Service)


def assemble(
    settings: Settings,
    decoder: Decoder,
    clock: Callable[[], float] = time.monotonic,
    tracing: Tracing | None = None,
) -> Service:
    """Assemble the components around a loaded model; nothing is started yet."""
    bounds = Bounds(settings.whisper_queue, settings.whisper_queue_audio_seconds)
    slots = Slots(settings.whisper_concurrency, bounds, clock, lambda: decoder.audio_seconds_per_second)
    metrics = Metrics(settings.model_name, lambda: decoder.batch_size, slots.load)
    jobs = Jobs(decoder, slots, metrics, max_audio_seconds=settings.max_audio_seconds, clock=clock)
    return Service(settings, metrics, jobs, tracing)
