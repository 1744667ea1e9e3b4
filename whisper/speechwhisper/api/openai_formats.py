"""A transcript in the JSON shapes of OpenAI's audio API: pure functions.

Beyond OpenAI's own fields, every answer says what was heard: language, duration, speech_seconds, transcribed_seconds.
"""

import math
from typing import Any

from speechwhisper.errors import RefusalError
from speechwhisper.recognition.options import Options
from speechwhisper.recognition.transcript import Segment, Transcript


def brief(transcript: Transcript, options: Options) -> dict[str, Any]:
    """Return the body of ``response_format=json``."""
    return {
        "text": transcript.text,
        "task": options.task,
        **transcript.heard.to_json(),
        "usage": _usage(transcript),
    }


def verbose(transcript: Transcript, options: Options) -> dict[str, Any]:
    """Return the body of ``verbose_json``: segments, and words where they were asked for."""
    body = brief(transcript, options)
    body["segments"] = [segment.to_json() for segment in transcript.segments]
    if options.word_timestamps:
        body["words"] = [
            {"word": word.text.strip(), "start": round(word.start, 3), "end": round(word.end, 3)}
            for word in transcript.words
        ]
    return body


def delta(segment: Segment) -> dict[str, Any]:
    """Return the event of one decoded segment."""
    return {"type": "transcript.text.delta", "delta": segment.text, "segment": segment.to_json()}


def done(transcript: Transcript, options: Options) -> dict[str, Any]:
    """Return the last event of a stream: everything once more."""
    return {"type": "transcript.text.done", **verbose(transcript, options)}


def failed(error: RefusalError) -> dict[str, Any]:
    """Return the event that ends a stream which broke after its first byte."""
    return {"type": "error", "error": {"message": error.message, "code": error.code}}


def _usage(transcript: Transcript) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(transcript.heard.duration)}
