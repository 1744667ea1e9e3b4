"""A transcript in the formats of OpenAI's audio API."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechbridge.transcribers.port import Task
    from speechbridge.transcribers.transcript import Segment, Transcript

RESPONSE_FORMATS = ("json", "text", "srt", "vtt", "verbose_json")
_WORD = {"word", "start", "end"}  # whisperx has no times for words that it cannot align, such as numbers


def usage(transcript: Transcript) -> dict[str, Any]:
    """Return OpenAI's usage object, in whole seconds, rounded up."""
    transcribed = transcript.segments[-1].end if transcript.segments else 0
    return {"type": "duration", "seconds": math.ceil(transcript.duration or transcribed)}


def plain(transcript: Transcript) -> dict[str, Any]:
    """Return `response_format=json`."""
    return {"text": transcript.text, "usage": usage(transcript)}


def truncated(document: dict[str, Any], transcript: Transcript) -> dict[str, Any]:
    """Return the document of a transcript that the deadline ended."""
    return {**document, "truncated": True, "warnings": list(transcript.warnings)}


def verbose(transcript: Transcript, task: Task, *, words: bool, segments: bool) -> dict[str, Any]:
    """Return `response_format=verbose_json`; times in seconds."""
    document: dict[str, Any] = {
        "task": task,
        "language": transcript.language or "",
        "duration": transcript.duration or 0.0,
        "text": transcript.text,
    }
    if segments:
        document["segments"] = [segment_object(segment) for segment in transcript.segments]
    if words:
        document["words"] = timed_words(transcript.words)
    document["usage"] = usage(transcript)
    return {**document, **additions(transcript)}


def additions(transcript: Transcript) -> dict[str, Any]:
    """Return the members that OpenAI's API does not have."""
    return {"coverage": transcript.coverage, "warnings": list(transcript.warnings)}


def segment_object(segment: Segment, *, words: bool = False) -> dict[str, Any]:
    """Return a segment of verbose_json; `words` adds those that have times, for streams."""
    fields = asdict(segment)
    del fields["words"]
    if words:
        fields["words"] = timed_words(segment.words)
    return fields


def timed_words(words: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the words that have times."""
    return [word_object(word) for word in words if word.keys() >= _WORD]


def word_object(word: dict[str, Any]) -> dict[str, Any]:
    """Return a word of verbose_json, without the leading space."""
    return {"word": str(word["word"]).strip(), "start": word["start"], "end": word["end"]}


def srt(transcript: Transcript) -> str:
    """Return SubRip subtitles."""
    cues = (
        f"{number}\n{_time(segment.start, ',')} --> {_time(segment.end, ',')}\n{_cue_text(segment)}\n\n"
        for number, segment in enumerate(transcript.segments, 1)
    )
    return "".join(cues)


def vtt(transcript: Transcript) -> str:
    """Return WebVTT subtitles (W3C WebVTT, section 4)."""
    cues = (
        f"{_time(segment.start, '.')} --> {_time(segment.end, '.')}\n{_cue_text(segment)}\n\n"
        for segment in transcript.segments
    )
    return "WEBVTT\n\n" + "".join(cues)


def _cue_text(segment: Segment) -> str:
    return segment.text.strip().replace("-->", "->")


def _time(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"
