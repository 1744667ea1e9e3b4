"""A transcript in the formats of OpenAI's audio API."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from speechbridge.languages import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechbridge.transcribers.port import Task
    from speechbridge.transcribers.transcript import Segment, Transcript

RESPONSE_FORMATS = ("json", "text", "srt", "vtt", "verbose_json")

_LARGE_BYTES = 2**20
_SEGMENT_BYTES, _WORD_BYTES = 300, 60  # in verbose_json, about


def is_large(transcript: Transcript) -> bool:
    """Return whether a transcript takes long enough to render to delay other requests: beyond about 1 MiB."""
    words = sum(len(segment.words) for segment in transcript.segments)
    return len(transcript.segments) * _SEGMENT_BYTES + words * _WORD_BYTES > _LARGE_BYTES


def usage(transcript: Transcript) -> dict[str, Any]:
    """Return OpenAI's usage object, in whole seconds, rounded up."""
    seconds = transcript.duration or max((segment.end for segment in transcript.segments), default=0)
    return {"type": "duration", "seconds": math.ceil(seconds)}


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
        **language(transcript),
        "duration": transcript.duration or 0.0,
        "text": transcript.text,
    }
    if segments:
        document["segments"] = [segment_object(segment) for segment in transcript.segments]
    if words:
        document["words"] = [word for segment in transcript.segments for word in words_of(segment)]
    document["usage"] = usage(transcript)
    return {**document, **additions(transcript)}


def language(transcript: Transcript) -> dict[str, str | None]:
    """Return the English name of the language, as OpenAI names it (`english`), and its code, which OpenAI omits."""
    code = transcript.language
    return {"language": NAMES.get(code, code) if code else "", "language_code": code}


def additions(transcript: Transcript) -> dict[str, Any]:
    """Return the members that OpenAI's API does not have."""
    return {"coverage": transcript.coverage, "warnings": list(transcript.warnings)}


def segment_object(segment: Segment, *, words: bool = False) -> dict[str, Any]:
    """Return a segment of verbose_json; `words` adds those that have times, for streams."""
    fields: dict[str, Any] = {
        "id": segment.id,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "seek": segment.seek,
        "tokens": segment.tokens,
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
    }
    if segment.channel is not None:
        fields["channel"] = segment.channel
    if words:
        fields["words"] = words_of(segment)
    return fields


def words_of(segment: Segment) -> Sequence[dict[str, Any]]:
    """Return the words of a segment, with its channel if the channels are separate."""
    if segment.channel is None:
        return segment.words
    return [{**word, "channel": segment.channel} for word in segment.words]


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
