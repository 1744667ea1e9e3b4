"""What was heard: segments, words, and the figures that go with them."""

from dataclasses import dataclass, replace
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its times in seconds; ``text`` keeps the leading space Whisper gives it."""

    start: float
    end: float
    text: str
    probability: float

    def shifted(self, seconds: float) -> Self:
        """Return the same word, that much later."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)


@dataclass(frozen=True, slots=True)
class Segment:
    """One decoded stretch of speech. Times in seconds; ``seek`` in frames of 10 ms, as Whisper counts."""

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
        """Return the same segment, that much later."""
        return replace(
            self,
            seek=self.seek + round(seconds * 100),
            start=self.start + seconds,
            end=self.end + seconds,
            words=None if self.words is None else tuple(word.shifted(seconds) for word in self.words),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the segment as openai-whisper writes it, which OpenAI's API and whisper-asr-webservice share."""
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
    """The figures of one job.

    Attributes:
        language: code such as ``en``, asked for or detected.
        duration: seconds of audio received.
        speech_seconds: of these, seconds in which the voice activity detector heard speech.
        transcribed_seconds: seconds that were given to the model.
    """

    language: str
    duration: float
    speech_seconds: float
    transcribed_seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the figures under the names that all answers use."""
        return {
            "language": self.language,
            "duration": round(self.duration, 3),
            "speech_seconds": round(self.speech_seconds, 3),
            "transcribed_seconds": round(self.transcribed_seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Transcript:
    """A finished job: the segments in order, and what was heard."""

    segments: tuple[Segment, ...]
    heard: Heard

    @property
    def text(self) -> str:
        """The whole text; empty where nobody spoke."""
        return "".join(segment.text for segment in self.segments).strip()

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in order; empty unless they were asked for."""
        return tuple(word for segment in self.segments for word in segment.words or ())
