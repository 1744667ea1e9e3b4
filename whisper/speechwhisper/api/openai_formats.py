"""A transcript in the JSON formats of OpenAI's audio API: pure functions.

In addition to OpenAI's members, each response has `language`, `language_code`, `duration`, `speech_seconds`,
`transcribed_seconds`, `coverage` and `warnings`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from speechwhisper.recognition.languages import NAMES

if TYPE_CHECKING:
    from speechwhisper.errors import Problem
    from speechwhisper.recognition.options import Options
    from speechwhisper.recognition.transcript import Segment, Transcript, Word


def brief(transcript: Transcript, options: Options) -> dict[str, Any]:
    """Return the body of `response_format=json`."""
    return {
        "text": transcript.text,
        "task": options.task,
        **transcript.to_json(),
        **_language(transcript),
        "usage": _usage(transcript),
    }


def verbose(transcript: Transcript, options: Options) -> dict[str, Any]:
    """Return the body of `verbose_json`: with segments, and with words if requested."""
    body = brief(transcript, options)
    body["segments"] = [segment.to_json() for segment in transcript.segments]
    if options.word_timestamps:
        body["words"] = [_word(word, segment) for segment in transcript.segments for word in segment.words or ()]
    return body


def delta(segment: Segment) -> dict[str, Any]:
    """Return the event of a decoded segment."""
    return {"type": "transcript.text.delta", "delta": segment.passage, "segment": segment.to_json()}


def done(transcript: Transcript, options: Options) -> dict[str, Any]:
    """Return the last event of a stream: the whole transcript.

    It has no `usage`: OpenAI's clients know only one of tokens here.
    """
    body = verbose(transcript, options)
    del body["usage"]
    return {"type": "transcript.text.done", **body}


def failed(problem: Problem) -> dict[str, Any]:
    """Return the event that ends a failed stream."""
    error = {"message": problem.detail, "code": problem.code}
    return {"type": "error", "error": error if problem.param is None else {**error, "param": problem.param}}


def _language(transcript: Transcript) -> dict[str, Any]:
    """Return the English name of the language, as OpenAI names it (`english`), and its code, which OpenAI omits."""
    code = transcript.info.language
    return {"language": NAMES.get(code, code) if code else code, "language_code": code}


def _word(word: Word, segment: Segment) -> dict[str, Any]:
    body = {"word": word.text.strip(), "start": round(word.start, 3), "end": round(word.end, 3)}
    return body if segment.channel is None else {**body, "channel": segment.channel}


def _usage(transcript: Transcript) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(transcript.info.duration)}
