"""What the fakes of Whisper have heard, and the formats in which they say it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Segment:
    """Times in seconds from the beginning of the recording; `text` with its leading space, as Whisper gives it."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Transcript:
    segments: tuple[Segment, ...]
    language: str = "en"
    duration: float = 5.8

    @property
    def text(self) -> str:
        return "".join(segment.text for segment in self.segments)


SPEECH = Transcript(
    (
        Segment(0.0, 2.4, " He was not an ill-disposed young man,"),
        Segment(2.4, 4.1, " unless to be rather cold-hearted"),
        Segment(4.1, 5.8, " and rather selfish is to be ill-disposed."),
    )
)
SILENCE = Transcript((), duration=3.0)


def words(segment: Segment) -> list[dict[str, Any]]:
    """The segment's time shared out evenly among its words."""
    texts = segment.text.split()
    step = (segment.end - segment.start) / max(1, len(texts))
    return [
        {
            "start": round(segment.start + index * step, 3),
            "end": round(segment.start + (index + 1) * step, 3),
            "word": f" {text}",
            "probability": 0.98,
        }
        for index, text in enumerate(texts)
    ]


def segment_object(index: int, segment: Segment) -> dict[str, Any]:
    """A segment as Whisper's `json` and OpenAI's `verbose_json` have it."""
    return {
        "id": index,
        "seek": 0,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": [50363, 679, 373, 407],
        "temperature": 0.0,
        "avg_logprob": -0.21,
        "compression_ratio": 1.3,
        "no_speech_prob": 0.01,
    }


def txt(transcript: Transcript) -> Iterator[str]:
    for segment in transcript.segments:
        yield f"{segment.text.strip()}\n"


def vtt(transcript: Transcript) -> Iterator[str]:
    yield "WEBVTT\n\n"
    for segment in transcript.segments:
        times = f"{_timestamp(segment.start, '.', hours=False)} --> {_timestamp(segment.end, '.', hours=False)}"
        yield f"{times}\n{segment.text.strip()}\n\n"


def srt(transcript: Transcript) -> Iterator[str]:
    for number, segment in enumerate(transcript.segments, start=1):
        times = f"{_timestamp(segment.start, ',', hours=True)} --> {_timestamp(segment.end, ',', hours=True)}"
        yield f"{number}\n{times}\n{segment.text.strip()}\n\n"


def tsv(transcript: Transcript) -> Iterator[str]:
    yield "start\tend\ttext\n"
    for segment in transcript.segments:
        yield f"{round(1000 * segment.start)}\t{round(1000 * segment.end)}\t{segment.text.strip()}\n"


def _timestamp(seconds: float, mark: str, *, hours: bool) -> str:
    total = round(1000 * seconds)
    whole = f"{total // 3_600_000:02d}:" if hours or total >= 3_600_000 else ""
    return f"{whole}{total // 60_000 % 60:02d}:{total // 1000 % 60:02d}{mark}{total % 1000:03d}"
