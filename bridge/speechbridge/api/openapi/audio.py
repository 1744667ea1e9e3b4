"""The description of OpenAI's audio routes."""

from __future__ import annotations

from speechbridge.api.formats import RESPONSE_FORMATS
from speechbridge.api.openapi.parts import (
    KEYS,
    LANGUAGE,
    RECORDING,
    TRACING,
    Json,
    answer,
    event_stream,
    form,
    integer,
    json_content,
    listing,
    number,
    or_null,
    record,
    ref,
    text,
    unnamed_event,
)
from speechbridge.api.openapi.problems import ADMISSION, ALWAYS, FORM, KEYED, TRANSCRIPTION, errors

TAGS: list[Json] = [
    {"name": "OpenAI", "description": "Routes of OpenAI's API, for its official clients; errors are in its form, too."}
]

_TEXT = "He was not an ill-disposed young man."
_SEGMENT = {
    "id": 0,
    "start": 0.0,
    "end": 2.4,
    "text": f" {_TEXT}",
    "seek": 0,
    "tokens": [50363, 679, 373, 407],
    "temperature": 0.0,
    "avg_logprob": -0.21,
    "compression_ratio": 1.3,
    "no_speech_prob": 0.01,
}
_USAGE = {"type": "duration", "seconds": 3}
_BRIEF = {"text": _TEXT, "usage": _USAGE}
_VERBOSE = {
    "task": "transcribe",
    "language": "en",
    "duration": 2.4,
    "text": _TEXT,
    "segments": [_SEGMENT],
    "usage": _USAGE,
}
_SRT = f"1\n00:00:00,000 --> 00:00:02,400\n{_TEXT}\n\n"
_VTT = f"WEBVTT\n\n00:00:00.000 --> 00:00:02.400\n{_TEXT}\n\n"
_DONE = {"type": "transcript.text.done", "text": _TEXT, "language": "en", "duration": 2.4, "usage": _USAGE}
_EVENTS = [
    unnamed_event({"type": "transcript.text.delta", "delta": f" {_TEXT}", "segment": _SEGMENT}),
    unnamed_event(_DONE),
]
_GRANULARITIES = listing(
    "Which times verbose_json has: of segments (also when this is missing), of words. Other formats refuse it.",
    {"type": "string", "enum": ["segment", "word"]},
)


def _form() -> Json:
    described = form(
        ("file",),
        model=text("`whisper-1`, or the name under which Whisper is listed here.", example="whisper-1"),
        language=LANGUAGE,
        prompt=text("What was said before, or names that occur: Whisper spells as it does.", example="Mr. Dashwood"),
        response_format=text("The form of the answer.", enum=list(RESPONSE_FORMATS), default=RESPONSE_FORMATS[0]),
        temperature=number("Sampling temperature; without it Whisper falls back by itself.", minimum=0, maximum=1),
        timestamp_granularities__list=_GRANULARITIES,
        stream={
            "type": "boolean",
            "default": False,
            "description": "Answer with events; `response_format` has no effect then.",
        },
        file=RECORDING,
    )
    described["content"]["multipart/form-data"]["schema"]["dependentSchemas"] = {
        "timestamp_granularities[]": {
            "properties": {"response_format": {"const": "verbose_json"}},
            "required": ["response_format"],
        }
    }
    return described


def _route(operation: str, summary: str, *codes: str) -> Json:
    return {
        "post": {
            "security": KEYS,
            "operationId": operation,
            "tags": ["OpenAI"],
            "summary": summary,
            "description": "The upload is passed on while it arrives. Silence is no error: 200 and an empty text.",
            "parameters": TRACING,
            "requestBody": _form(),
            "responses": {
                "200": answer("The transcript, as `response_format` and `stream` ask.", _transcripts()),
                **errors("openai", *ALWAYS, *KEYED, *ADMISSION, *FORM, *TRANSCRIPTION, *codes),
            },
        }
    }


def _transcripts() -> Json:
    return {
        **json_content({"anyOf": [ref("Transcription"), ref("VerboseTranscription")]}, json=_BRIEF, verbose=_VERBOSE),
        "text/plain": {"schema": text("`text`: the transcript and a line's end."), "example": f"{_TEXT}\n"},
        "application/x-subrip": {"schema": text("`srt`: SubRip subtitles."), "example": _SRT},
        "text/vtt": {"schema": text("`vtt`: WebVTT subtitles."), "example": _VTT},
        **event_stream(
            "With `stream`: any number of `transcript.text.delta` (where Whisper streams), then "
            "`transcript.text.done`; an `error` ends the stream. The events have no name but a member `type`.",
            {
                "transcript.text.delta": ref("TranscriptionDelta"),
                "transcript.text.done": ref("TranscriptionDone"),
                "error": ref("TranscriptionError"),
            },
            _EVENTS,
        ),
    }


PATHS: Json = {
    "/v1/audio/transcriptions": _route("createTranscription", "Transcribe a recording"),
    "/v1/audio/translations": _route("createTranslation", "Transcribe a recording into English", "unsupported_task"),
}

_DURATION = "Length of the recording in seconds"
_SECONDS = "Seconds from the start of the recording."
SCHEMAS: Json = {
    "Transcription": record(
        "`json`.",
        text=text("What was said; empty when nothing was."),
        usage=ref("Usage"),
    ),
    "VerboseTranscription": record(
        "`verbose_json`.",
        ("task", "language", "duration", "text", "usage"),
        task=text("What was done.", enum=["transcribe", "translate"]),
        language=text("The language spoken, as an ISO 639 code; empty where Whisper does not tell."),
        duration=number(f"{_DURATION}; 0 where it is not known.", minimum=0),
        text=text("What was said; empty when nothing was."),
        segments=listing("The stretches of speech, unless only words were asked for.", ref("Segment")),
        words=listing("The words that have times, when they were asked for.", ref("Word")),
        usage=ref("Usage"),
    ),
    "Segment": record(
        "A stretch of speech. What Whisper does not tell is 0 or empty.",
        id=integer("Its number, from 0.", minimum=0),
        start=number(_SECONDS, minimum=0),
        end=number(_SECONDS, minimum=0),
        text=text("What was said, with its leading space."),
        seek=integer("Where the window that held it starts, in frames of 10 ms.", minimum=0),
        tokens=listing("Ids of its tokens.", {"type": "integer"}),
        temperature=number("The temperature it was decoded with."),
        avg_logprob=number("Mean logarithm of its tokens' probabilities."),
        compression_ratio=number("How well its text compresses: over 2.4 it repeats itself."),
        no_speech_prob=number("Probability that nobody speaks."),
    ),
    "Word": record(
        "A word; Whisper parts some at their hyphens.",
        word=text("The word, without the space before it."),
        start=number(_SECONDS, minimum=0),
        end=number(_SECONDS, minimum=0),
    ),
    "Usage": record(
        "What was transcribed.",
        type=text("How it is counted.", const="duration"),
        seconds=integer("Whole seconds of audio, rounded up.", minimum=0),
    ),
    "TranscriptionDelta": record(
        "A stretch of speech, as soon as Whisper has it.",
        type=text("The event's name.", const="transcript.text.delta"),
        delta=text("What was said, with its leading space."),
        segment=ref("Segment"),
    ),
    "TranscriptionDone": record(
        "The whole transcript.",
        type=text("The event's name.", const="transcript.text.done"),
        text=text("What was said; empty when nothing was."),
        language=or_null(text("The language spoken, as an ISO 639 code; null where Whisper does not tell.")),
        duration=or_null(number(f"{_DURATION}; null where it is not known.", minimum=0)),
        usage=ref("Usage"),
    ),
    "TranscriptionError": record(
        "An error after the stream had begun.",
        type=text("The event's name.", const="error"),
        error={"$ref": "#/components/schemas/OpenAIError/properties/error"},
    ),
}
