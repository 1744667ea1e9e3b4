"""Transcripts: segments, words, language and durations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self


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
    """A decoded stretch of speech. Times in seconds; `seek` in Whisper's frames of 10 ms."""

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
class Heard:
    """Language and durations of a recording.

    Attributes:
        language: Code such as `en`, requested or detected.
        duration: Seconds of audio received.
        speech_seconds: Seconds of speech, as found by the voice activity detector.
        transcribed_seconds: Seconds of audio passed to the model.
    """

    language: str
    duration: float
    speech_seconds: float
    transcribed_seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the members of this name in every JSON response."""
        return {
            "language": self.language,
            "duration": round(self.duration, 3),
            "speech_seconds": round(self.speech_seconds, 3),
            "transcribed_seconds": round(self.transcribed_seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Transcript:
    """The transcript of a recording: its segments in order, its language and durations."""

    segments: tuple[Segment, ...]
    heard: Heard

    @property
    def text(self) -> str:
        """The whole text; empty without speech."""
        return "".join(segment.text for segment in self.segments).strip()

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in order; empty unless requested."""
        return tuple(word for segment in self.segments for word in segment.words or ())
