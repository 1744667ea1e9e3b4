"""Transcripts: segments, words, language, durations, coverage and warnings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from speechwhisper.recognition.judging import Doubt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechwhisper.audio.clock import Gap
    from speechwhisper.recognition.guards import Doubtful

_UNCERTAIN_LANGUAGE = 0.5
_MIN_REPORTED_GAP_S = 1.0
"""Shorter gaps without damage are pauses in transmission, and there may be thousands."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its times in seconds; `text` keeps Whisper's leading space."""

    start: float
    end: float
    text: str
    probability: float

    def shifted(self, seconds: float) -> Self:
        """Return the word, shifted by so many seconds."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)


@dataclass(frozen=True, slots=True)
class Segment:
    """A decoded stretch of speech. Times in seconds; `seek` in Whisper's frames of 10 ms.

    Attributes:
        channel: Number of the audio channel, 0-based; None if the channels are mixed.
        failed: Why all attempts at decoding it failed, so that it is the best of bad ones; None if one passed.
    """

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: tuple[int, ...]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    words: tuple[Word, ...] | None = None
    channel: int | None = None
    failed: Doubt | None = None

    @property
    def speaker(self) -> str | None:
        """The name of its channel in text; None if the channels are mixed."""
        return None if self.channel is None else f"Channel {self.channel}"

    @property
    def passage(self) -> str:
        """Its text within the whole text; with separate channels, a line that starts with `[Channel 0]: `."""
        return self.text if self.speaker is None else f"[{self.speaker}]: {self.text.strip()}\n"

    def shifted(self, seconds: float) -> Self:
        """Return the segment, shifted by so many seconds."""
        return replace(
            self,
            seek=self.seek + round(seconds * 100),
            start=self.start + seconds,
            end=self.end + seconds,
            words=None if self.words is None else tuple(word.shifted(seconds) for word in self.words),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the segment as in openai-whisper, OpenAI's API and whisper-asr-webservice."""
        body: dict[str, Any] = {
            "id": self.id,
            "seek": self.seek,
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "text": self.text,
            "tokens": list(self.tokens),
            "temperature": self.temperature,
            "avg_logprob": self.avg_logprob,
            "compression_ratio": self.compression_ratio,
            "no_speech_prob": self.no_speech_prob,
        }
        if self.channel is not None:
            body["channel"] = self.channel
        if self.words is not None:
            body["words"] = [
                {
                    "start": round(word.start, 3),
                    "end": round(word.end, 3),
                    "word": word.text,
                    "probability": word.probability,
                }
                for word in self.words
            ]
        return body


@dataclass(frozen=True, slots=True)
class TranscriptionInfo:
    """What is known of a recording besides its words.

    Attributes:
        language: Code such as `en`, requested or detected; None without words and if none was requested.
        duration: Seconds of audio received.
        speech_seconds: Seconds of speech, as found by the voice activity detector.
        transcribed_seconds: Seconds of audio passed to the model.
        gaps: Stretches without data in the file.
        damaged: Whether a part of the file could not be decoded.
        doubtful: Stretches of the transcript that may be invented, and of speech that lack words.
        language_probability: Of a detected language, 0 to 1; None if it was requested.
        missing: Seconds by which the recording is shorter than its file declares.
    """

    language: str | None
    duration: float
    speech_seconds: float
    transcribed_seconds: float
    gaps: tuple[Gap, ...] = ()
    damaged: bool = False
    doubtful: tuple[Doubtful, ...] = ()
    language_probability: float | None = None
    missing: float = 0.0

    def coverage(self) -> dict[str, Any]:
        """Return how much of the recording was transcribed, which stretches have no data, and which are doubtful."""
        gaps = [gap for gap in self.gaps if gap.damaged or gap.seconds >= _MIN_REPORTED_GAP_S]
        return {
            "audio_seconds": round(self.duration, 3),
            "speech_seconds": round(self.speech_seconds, 3),
            "transcribed_seconds": round(self.transcribed_seconds, 3),
            "gaps": [
                {
                    "start": round(gap.start, 3),
                    "end": round(gap.end, 3),
                    "reason": "damaged" if gap.damaged else "no_data",
                }
                for gap in gaps
            ],
            "doubtful": [
                {"start": round(one.start, 3), "end": round(one.end, 3), "reason": one.reason.value}
                for one in self.doubtful
            ],
        }


@dataclass(frozen=True, slots=True)
class Transcript:
    """The transcript of a recording: its segments in order, and what is known besides its words."""

    segments: tuple[Segment, ...]
    info: TranscriptionInfo

    @classmethod
    def of(cls, decoded: Iterable[Segment], info: TranscriptionInfo) -> Self:
        """Return the transcript of segments in any order, such as those of one channel after the other."""
        return cls(tuple(sorted(decoded, key=lambda segment: segment.start)), info)

    @property
    def text(self) -> str:
        """The whole text; empty without speech. With separate channels, a line for each segment."""
        return "".join(segment.passage for segment in self.segments).strip()

    def warnings(self) -> list[dict[str, str]]:
        """Return what the client should know before it relies on the transcript, each with a stable `code`."""
        found = []
        if self.info.damaged:
            seconds = sum(gap.seconds for gap in self.info.gaps if gap.damaged)
            lost = f"{seconds:.1f} s of it are" if seconds else "a part of it is"
            found.append(_warning("damaged_audio", f"The file is damaged: {lost} missing in the transcript."))
        if self.info.missing:
            short = f"The recording ends {self.info.missing:.1f} s earlier than its file declares"
            found.append(_warning("truncated", f"{short}: the upload may be incomplete."))
        unworded = _seconds(one for one in self.info.doubtful if one.reason is Doubt.NO_WORDS)
        if seconds := _seconds(one for one in self.info.doubtful if one.reason is not Doubt.NO_WORDS):
            found.append(_warning("doubtful", f"{seconds:.1f} s of the transcript may be wrong; coverage lists them."))
        if unworded:
            message = f"No words were recognized in {unworded:.1f} s of what seems to be speech; coverage lists them."
            found.append(_warning("no_words", message))
        probability = self.info.language_probability
        if probability is not None and probability < _UNCERTAIN_LANGUAGE:
            language = f"'{self.info.language}' was detected with a probability of {probability:.2f}"
            found.append(_warning("uncertain_language", f"The language is uncertain: {language}."))
        if not self.text:
            what = "words were recognized" if unworded else "speech was found"
            found.append(_warning("no_speech", f"No {what} in the recording."))
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the members that every JSON response has in addition to OpenAI's."""
        info = self.info
        return {
            "language": info.language,
            "language_probability": None if info.language_probability is None else round(info.language_probability, 3),
            "duration": round(info.duration, 3),
            "speech_seconds": round(info.speech_seconds, 3),
            "transcribed_seconds": round(info.transcribed_seconds, 3),
            "coverage": info.coverage(),
            "warnings": self.warnings(),
        }


def _seconds(stretches: Iterable[Doubtful]) -> float:
    return sum(one.end - one.start for one in stretches)


def _warning(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}
