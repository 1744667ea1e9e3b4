"""The decoder based on faster-whisper: sequential, or in batches if configured."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from faster_whisper.transcribe import restore_speech_timestamps
from faster_whisper.vad import VadOptions

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition import block_batches, prompts, speech
from speechwhisper.recognition.guards import Guard
from speechwhisper.recognition.options import Options
from speechwhisper.recognition.port import StoppedError
from speechwhisper.recognition.speech import Span
from speechwhisper.recognition.times import SpeechTimes
from speechwhisper.recognition.transcript import Segment, TranscriptionInfo, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from faster_whisper import WhisperModel

    from speechwhisper.audio.decode import Audio, Samples

DETECTION_SECONDS = 30
"""Whisper detects the language from one window."""

_TRIAL_TOKENS = 8
"""Noise can decode to hundreds of tokens; a few run the same kernels."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """Decoding parameters from the settings, the same for all requests."""

    beam_size: int = 5
    batch_size: int = 0
    skip_silence: float = 10.0
    condition_on_previous_text: bool = False


@dataclass(frozen=True, slots=True)
class _Decoding:
    """Segments still to be decoded, and what is known before."""

    segments: Iterable[Segment]
    language: str | None
    speech: Sequence[Span]
    transcribed_seconds: float
    language_probability: float | None = None


class WhisperDecoder:
    """A `Decoder` for a loaded faster-whisper model."""

    def __init__(self, model: WhisperModel, tuning: Tuning) -> None:
        self._model = model
        self._tuning = tuning
        self.languages: Collection[str] = frozenset(model.supported_languages)

    def decode(
        self, audio: Audio, options: Options, emit: Callable[[Segment], None], stop: threading.Event
    ) -> TranscriptionInfo:
        """Decode; see `recognition.port.Decoder`."""
        if not audio.channels:
            return self._decode(audio, options, emit, stop)
        numbers = itertools.count()
        infos = []
        for channel, samples in enumerate(audio.channels):

            def renumbered(segment: Segment, channel: int = channel) -> None:
                emit(replace(segment, id=next(numbers), channel=channel))

            infos.append(self._decode(replace(audio, samples=samples), options, renumbered, stop))
        return _joined(infos)

    def _decode(
        self, audio: Audio, options: Options, emit: Callable[[Segment], None], stop: threading.Event
    ) -> TranscriptionInfo:
        if self._tuning.batch_size:
            decoding = self._batched(audio.samples, options, stop)
        elif options.vad_filter:
            decoding = self._without_pauses(audio.samples, options, stop)
        else:
            decoding = self._whole(audio.samples, options, stop)
        times = SpeechTimes(decoding.speech, audio.duration)
        guard = Guard(decoding.speech, options.temperatures[-1])
        number = 0
        for segment in decoding.segments:
            if stop.is_set():
                raise StoppedError
            if checked := guard.check(times.narrow(segment)):
                emit(replace(checked, id=number))
                number += 1
        return TranscriptionInfo(
            decoding.language,
            audio.duration,
            speech.seconds_of(decoding.speech),
            decoding.transcribed_seconds,
            audio.gaps,
            audio.damaged,
            tuple(guard.doubtful),
            decoding.language_probability,
            audio.missing,
        )

    def detect_language(self, audio: Audio, stop: threading.Event) -> tuple[str, float]:
        """Detect the language from the first 30 s of speech, or of the recording if it has no speech."""
        if len(self.languages) == 1:
            return next(iter(self.languages)), 1.0
        return self._detected(audio.samples, speech.find_speech(audio.samples, stop))

    def try_out(self, samples: Samples) -> None:
        """Decode as for a request, but without speech detection; exceptions of CTranslate2 pass through."""
        stop = threading.Event()
        arguments = self._arguments(Options(temperatures=(0.0,)), stop) | {"max_new_tokens": _TRIAL_TOKENS}
        if batch_size := self._tuning.batch_size:
            segments, _ = block_batches.start(self._model, samples, [Span(0, len(samples))], arguments, batch_size)
        else:
            segments, _ = self._model.transcribe(samples, **arguments)
        list(segments)  # faster-whisper decodes while its segments are consumed

    def _whole(self, samples: Samples, options: Options, stop: threading.Event) -> _Decoding:
        """Decode the recording without its long stretches of silence."""
        spans = speech.find_speech(samples, stop)
        clips = speech.plan_clips(spans, len(samples), self._tuning.skip_silence)
        if not clips:
            return _nothing(options)
        options, probability = self._with_language(options, samples, spans)
        start, end = clips[0].start, clips[-1].end
        arguments = self._arguments(options, stop)
        if len(clips) > 1:
            arguments["clip_timestamps"] = [(edge - start) / RATE for clip in clips for edge in (clip.start, clip.end)]
        segments, info = self._model.transcribe(samples[start:end], **arguments)
        converted = (segment.shifted(start / RATE) for segment in convert(segments)) if start else convert(segments)
        return _Decoding(converted, info.language, spans, speech.seconds_of(clips), probability)

    def _without_pauses(self, samples: Samples, options: Options, stop: threading.Event) -> _Decoding:
        """Remove all pauses, decode the rest, restore the times: faster-whisper's `vad_filter`, with one VAD run."""
        spans = speech.find_speech(samples, stop, VadOptions())
        if not spans:
            return _nothing(options)
        options, probability = self._with_language(options, samples, spans)
        joined = np.concatenate([samples[span.start : span.end] for span in spans])
        segments, info = self._model.transcribe(joined, **self._arguments(options, stop))
        chunks = [{"start": span.start, "end": span.end} for span in spans]
        restored = convert(restore_speech_timestamps(segments, chunks, RATE))
        return _Decoding(restored, info.language, spans, speech.seconds_of(spans), probability)

    def _batched(self, samples: Samples, options: Options, stop: threading.Event) -> _Decoding:
        """Decode blocks of speech in batches, and those that fail Whisper's checks again alone."""
        window = self._model.feature_extractor.chunk_length
        detector = VadOptions(max_speech_duration_s=window, min_silence_duration_ms=160)
        spans = speech.find_speech(samples, stop, detector)
        blocks = speech.plan_blocks(spans, window)
        if not blocks:
            return _nothing(options)
        options, probability = self._with_language(options, samples, spans)
        arguments = self._arguments(options, stop)
        segments, info = block_batches.start(self._model, samples, blocks, arguments, self._tuning.batch_size)

        def alone(block: Span) -> Iterator[Segment]:
            again, _ = self._model.transcribe(
                samples[block.start : block.end], **{**arguments, "language": info.language}
            )
            return (segment.shifted(block.start / RATE) for segment in convert(again))

        checked = block_batches.checked(convert(segments), blocks, alone, stop)
        return _Decoding(checked, info.language, spans, speech.seconds_of(blocks), probability)

    def _detected(self, samples: Samples, spans: Sequence[Span]) -> tuple[str, float]:
        start = spans[0].start if spans else 0
        window = samples[start : start + DETECTION_SECONDS * RATE]
        code, probability, _ = self._model.detect_language(audio=window)
        return str(code), float(probability)

    def _with_language(self, options: Options, samples: Samples, spans: Sequence[Span]) -> tuple[Options, float | None]:
        """Return the options with a language, and its probability if it had to be detected.

        faster-whisper would detect it from the first 30 s passed to it, which may begin with silence. Detecting it
        here costs the same: it encodes that window twice, too.
        """
        if options.language is not None or len(self.languages) == 1:
            return options, None
        code, probability = self._detected(samples, spans)
        return replace(options, language=code), probability

    def _arguments(self, options: Options, stop: threading.Event) -> dict[str, Any]:
        hotwords, prompt = prompts.fit(options.hotwords, options.prompt, self._tokenize)
        return {
            "task": options.task,
            "language": options.language,
            "initial_prompt": prompt,
            "hotwords": hotwords,
            # Previous text and hotwords together could leave no tokens for the transcript.
            "condition_on_previous_text": self._tuning.condition_on_previous_text and hotwords is None,
            "temperature": _Attempts(options.temperatures, stop),
            "word_timestamps": options.word_timestamps,
            "beam_size": self._tuning.beam_size,
        }

    def _tokenize(self, text: str) -> Sequence[tuple[int, int]]:
        offsets: Sequence[tuple[int, int]] = self._model.hf_tokenizer.encode(text, add_special_tokens=False).offsets
        return offsets


class _Attempts(list[float]):
    """The temperatures that faster-whisper tries in each window; the stop flag is checked before each attempt.

    Checking at segments would be too late: a silent window has none, and a difficult one is decoded up to six times.
    """

    def __init__(self, temperatures: Iterable[float], stop: threading.Event) -> None:
        super().__init__(temperatures)
        self._stop = stop

    def __iter__(self) -> Iterator[float]:
        for temperature in super().__iter__():
            if self._stop.is_set():
                raise StoppedError
            yield temperature


def _joined(infos: Sequence[TranscriptionInfo]) -> TranscriptionInfo:
    """Return what is known of a recording with separate channels; the language is that of the first that speaks."""
    first = next((info for info in infos if info.transcribed_seconds), infos[0])
    return replace(
        first,
        speech_seconds=sum(info.speech_seconds for info in infos),
        transcribed_seconds=sum(info.transcribed_seconds for info in infos),
        doubtful=tuple(sorted((one for info in infos for one in info.doubtful), key=lambda one: one.start)),
    )


def _nothing(options: Options) -> _Decoding:
    """Return the result of a recording without speech, whose language cannot be detected."""
    return _Decoding((), options.language, (), 0.0)


def convert(segments: Iterable[Any]) -> Iterator[Segment]:
    """Convert faster-whisper's segments, without those that have no text."""
    for segment in segments:
        if not segment.text.strip():
            continue
        yield Segment(
            id=segment.id,
            seek=segment.seek,
            start=float(segment.start),
            end=float(segment.end),
            text=segment.text,
            tokens=tuple(segment.tokens),
            temperature=float(segment.temperature or 0.0),
            avg_logprob=float(segment.avg_logprob),
            compression_ratio=float(segment.compression_ratio),
            no_speech_prob=float(segment.no_speech_prob),
            words=None if segment.words is None else tuple(_word(word) for word in segment.words),
        )


def _word(word: Any) -> Word:
    return Word(float(word.start), float(word.end), word.word, float(word.probability))
