"""Stand-ins whose answers the test decides: for the port `recognition.port.Decoder`, and for speech detection."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from speechwhisper.audio.decode import Audio
from speechwhisper.recognition.port import Batch, BrokenError, StoppedError
from speechwhisper.recognition.transcript import Segment, TranscriptionInfo, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from faster_whisper.vad import VadOptions

    from speechwhisper.audio.decode import Recording, Samples
    from speechwhisper.recognition.options import Options
    from speechwhisper.recognition.port import Stop
    from speechwhisper.telemetry.spans import RecognitionTrace

DEADLINE = 20.0
"""Seconds after which a test that waits for a condition fails."""


def segment(text: str, start: float = 0.0, end: float = 1.0, **changes: object) -> Segment:
    words = tuple(Word(start, end, f" {word}", 0.9) for word in text.split())
    plain = Segment(0, int(start * 100), start, end, text, (1, 2), 0.0, -0.2, 1.1, 0.05, words)
    return replace(plain, **changes)  # type: ignore[arg-type]


class ScriptedDecoder:
    """Yields the given segments; with ``hold`` it waits after the first one until the test calls `go_on`.

    Further keyword arguments are members of the `TranscriptionInfo` that differ from those of a faultless recording.
    """

    def __init__(
        self,
        segments: Sequence[Segment] = (),
        languages: Collection[str] = ("en", "de"),
        *,
        hold: bool = False,
        fails: bool = False,
        **info: Any,
    ) -> None:
        self.languages = languages
        self.seen: list[Options] = []
        self.audio: list[Audio] = []
        self.channels: list[int] = []
        self.broken = False
        self._on_broken: Callable[[], None] | None = None
        self.closed = False
        self.batch_size = 8
        self._on_batch: Callable[[Batch], None] | None = None
        self.audio_seconds_per_second = 0.0
        self.started = threading.Event()
        self.stopped = threading.Event()
        self._segments = segments
        self._go = threading.Event()
        self._fails = fails
        self._info = info
        if not hold:
            self._go.set()

    def go_on(self) -> None:
        self._go.set()

    def on_broken(self, call: Callable[[], None]) -> None:
        self._on_broken = call

    def on_batch(self, call: Callable[[Batch], None]) -> None:
        self._on_batch = call

    def breaks(self) -> None:
        """What is decoded fails, as what comes later."""
        self.broken = True
        self._go.set()
        if self._on_broken is not None:
            self._on_broken()

    def decode(
        self,
        recording: Recording,
        options: Options,
        emit: Callable[[Segment], None],
        stop: Stop,
        trace: RecognitionTrace | None = None,
    ) -> TranscriptionInfo:
        self.seen.append(options)
        audio = self._read(recording, stop)
        for number, item in enumerate(self._segments):
            emit(replace(item, id=number, words=item.words if options.word_timestamps else None))
            self.started.set()
            self._wait(stop)
        self.started.set()
        if self._fails:
            message = "the decoder broke"
            raise RuntimeError(message)
        self.audio_seconds_per_second = 20.0
        if self._on_batch is not None:
            sampled_id = trace.sampled_id if trace else ""
            self._on_batch(Batch(blocks=2, window=6.0, wait=0.003, duration=0.5, trace_id=sampled_id))
        info = TranscriptionInfo(options.language or "en", audio.duration, audio.duration / 2, audio.duration)
        return replace(info, **self._info)

    def _read(self, recording: Recording, stop: Stop) -> Audio:
        chunks = []
        for chunk in recording.chunks():
            stop.check()
            chunks.append(chunk)
        self.channels.append(len(chunks[0]))
        samples = np.concatenate([chunk[0] for chunk in chunks]).astype(np.float32) / 32768
        self.audio.append(Audio(samples, recording.gaps, recording.damaged))
        return self.audio[-1]

    def _wait(self, stop: Stop) -> None:
        while not self._go.wait(0.01):
            if stop.is_set():
                self.stopped.set()
                raise StoppedError
        if self.broken:
            message = "device 0 failed 3 times in a row"
            raise BrokenError(message)

    def detect_language(self, recording: Recording, stop: Stop) -> tuple[str, float]:
        self._read(recording, stop)
        return "de", 0.75

    def close(self) -> None:
        self.closed = True


def loud(samples: Samples, options: VadOptions) -> list[dict[str, int]]:
    """A voice activity detector, as faster-whisper's `get_speech_timestamps`, for which everything loud is speech."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (abs(samples) > 0.1).astype(int), [0]])))
    longest = int(options.max_speech_duration_s * 16_000)
    return [
        {"start": at, "end": min(at + longest, int(end))}
        for start, end in edges.reshape(-1, 2)
        for at in range(int(start), int(end), longest)
    ]
