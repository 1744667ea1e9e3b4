"""A transcript in the formats of OpenAI's audio API."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speechbridge.transcribers.port import Task
    from speechbridge.transcribers.transcript import Segment, Transcript

RESPONSE_FORMATS = ("json", "text", "srt", "vtt", "verbose_json")
_WORD = {"word", "start", "end"}  # whisperx has no times for words that it cannot align, such as numbers


def usage(transcript: Transcript) -> dict[str, Any]:
    """Return OpenAI's usage object, in whole seconds, rounded up."""
    return {"type": "duration", "seconds": math.ceil(transcript.duration or 0)}


def plain(transcript: Transcript) -> dict[str, Any]:
    """Return `response_format=json`."""
    return {"text": transcript.text, "usage": usage(transcript)}


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
        document["words"] = [word for segment in transcript.segments for word in timed_words(segment)]
    document["usage"] = usage(transcript)
    return {**document, **additions(transcript)}


def additions(transcript: Transcript) -> dict[str, Any]:
    """Return the members that OpenAI's API does not have."""
    return {"coverage": transcript.coverage, "warnings": list(transcript.warnings)}


def segment_object(segment: Segment, *, words: bool = False) -> dict[str, Any]:
    """Return a segment of verbose_json; `words` adds those that have times, for streams."""
    fields = asdict(segment)
    del fields["words"]
    if segment.channel is None:
        del fields["channel"]
    if words:
        fields["words"] = timed_words(segment)
    return fields


def timed_words(segment: Segment) -> list[dict[str, Any]]:
    """Return the words of a segment that have times, without the leading space."""
    channel = {} if segment.channel is None else {"channel": segment.channel}
    return [
        {"word": str(word["word"]).strip(), "start": word["start"], "end": word["end"], **channel}
        for word in segment.words
        if word.keys() >= _WORD
    ]


def srt(transcript: Transcript) -> str:
    """Return SubRip subtitles."""
    cues = (
        f"{number}\n{_time(segment.start, ',')} --> {_time(segment.end, ',')}\n{_cue_text(segment.passage)}\n\n"
        for number, segment in enumerate(transcript.segments, 1)
    )
    return "".join(cues)


def vtt(transcript: Transcript) -> str:
    """Return WebVTT subtitles (W3C WebVTT, section 4)."""
    cues = (
        f"{_time(segment.start, '.')} --> {_time(segment.end, '.')}\n{_voice(segment)}{_cue_text(segment.text)}\n\n"
        for segment in transcript.segments
    )
    return "WEBVTT\n\n" + "".join(cues)


def _cue_text(text: str) -> str:
    return text.strip().replace("-->", "->")


def _voice(segment: Segment) -> str:
    # The voice span of WebVTT, section 5.1.
    return "" if segment.speaker is None else f"<v {segment.speaker}>"


def _time(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"
