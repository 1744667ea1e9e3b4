"""OpenAPI: OpenAI's audio routes."""

from __future__ import annotations

from speechbridge.api.formats import RESPONSE_FORMATS
from speechbridge.api.openapi.coverage import WARNINGS
from speechbridge.api.openapi.problems import ADMISSION, ALWAYS, FORM, KEYED, TRANSCRIPTION, errors
from speechbridge.api.openapi.schemas import (
    AUDIO_TRACK,
    CHANNEL,
    CHANNELS,
    HOTWORDS,
    KEYS,
    LANGUAGE,
    RECORDING,
    TEMPERATURE,
    TRACING,
    VAD_FILTER,
    WHISPER_PROMPT,
    Json,
    event_stream,
    form,
    integer,
    json_content,
    listing,
    number,
    or_null,
    record,
    ref,
    response,
    text,
    unnamed_event,
)

TAGS: list[Json] = [
    {"name": "OpenAI", "description": "Routes of OpenAI's API, for its official clients; errors have OpenAI's format."}
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
_ADDITIONS = {
    "coverage": {"audio_seconds": 2.4, "speech_seconds": 2.1, "transcribed_seconds": 2.4, "gaps": [], "doubtful": []},
    "warnings": [],
}
_BRIEF = {"text": _TEXT, "usage": _USAGE}
_VERBOSE = {
    "task": "transcribe",
    "language": "english",
    "language_code": "en",
    "duration": 2.4,
    "text": _TEXT,
    "segments": [_SEGMENT],
    "usage": _USAGE,
    **_ADDITIONS,
}
_SRT = f"1\n00:00:00,000 --> 00:00:02,400\n{_TEXT}\n\n"
_VTT = f"WEBVTT\n\n00:00:00.000 --> 00:00:02.400\n{_TEXT}\n\n"
_DONE = {
    "type": "transcript.text.done",
    "text": _TEXT,
    "language": "english",
    "language_code": "en",
    "duration": 2.4,
    **_ADDITIONS,
}
_EVENTS = [
    unnamed_event({"type": "transcript.text.delta", "delta": f" {_TEXT}", "segment": _SEGMENT}),
    unnamed_event(_DONE),
]
_GRANULARITIES = listing(
    "Timestamps in verbose_json and in streams: of segments (the default), of words. Not allowed with other formats. "
    "The name may lack the brackets or have an index; commas and JSON are accepted too.",
    {"type": "string", "enum": ["segment", "word"]},
)


def _form() -> Json:
    described = form(
        ("file",),
        model=text(
            "The name of the Whisper model in `/v1/models`, one of OpenAI's (`whisper-1`, `gpt-4o-transcribe`, "
            "`gpt-4o-mini-transcribe`, `gpt-transcribe`), or one of `WHISPER_MODEL_ALIASES`, in any letter case.",
            example="whisper-1",
        ),
        language=LANGUAGE,
        audio_track=AUDIO_TRACK,
        channels=CHANNELS,
        hotwords=HOTWORDS,
        prompt=WHISPER_PROMPT,
        response_format=text("Format of the response.", enum=list(RESPONSE_FORMATS), default=RESPONSE_FORMATS[0]),
        temperature=TEMPERATURE,
        vad_filter=VAD_FILTER,
        timestamp_granularities__list=_GRANULARITIES,
        stream={
            "type": "boolean",
            "default": False,
            "description": "Stream the transcript as events; `response_format` is then ignored.",
        },
        file=RECORDING,
    )
    described["content"]["multipart/form-data"]["schema"]["dependentSchemas"] = {
        "timestamp_granularities[]": {
            "anyOf": [
                {"properties": {"response_format": {"const": "verbose_json"}}, "required": ["response_format"]},
                {"properties": {"stream": {"const": True}}, "required": ["stream"]},
            ]
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
            "description": "The upload is streamed to Whisper while it arrives. For silence, the text is empty.",
            "parameters": TRACING,
            "requestBody": _form(),
            "responses": {
                "200": response(
                    "The transcript, in the format given by `response_format` and `stream`.", _transcripts()
                ),
                **errors("openai", *ALWAYS, *KEYED, *ADMISSION, *FORM, *TRANSCRIPTION, *codes),
            },
        }
    }


def _transcripts() -> Json:
    return {
        **json_content({"anyOf": [ref("Transcription"), ref("VerboseTranscription")]}, json=_BRIEF, verbose=_VERBOSE),
        "text/plain": {"schema": text("`text`: the transcript and a line break."), "example": f"{_TEXT}\n"},
        "application/x-subrip": {"schema": text("`srt`: SubRip subtitles."), "example": _SRT},
        "text/vtt": {"schema": text("`vtt`: WebVTT subtitles."), "example": _VTT},
        **event_stream(
            "With `stream`: a `transcript.text.delta` for each segment (at the end, if Whisper does not stream), then "
            "`transcript.text.done`; an `error` ends the stream. Events have no name, but a member `type`.",
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

_LANGUAGE_NAME = text("English name of the language in lower case, as at OpenAI; empty if Whisper does not report it.")
_LANGUAGE_CODE = or_null(text("Whisper's code of the language; null if Whisper does not report it."))
_DURATION = "Duration of the recording in seconds"
_CUT_OFF: Json = {"type": "boolean", "const": True, "description": "Present if the deadline ended the transcription."}
_SECONDS = "Seconds from the start of the recording."
SCHEMAS: Json = {
    "Transcription": record(
        "`json`.",
        ("text", "usage"),
        text=text("The transcript; empty if there is no speech."),
        usage=ref("Usage"),
        truncated=_CUT_OFF,
        warnings=WARNINGS,
    ),
    "VerboseTranscription": record(
        "`verbose_json`.",
        ("task", "language", "language_code", "duration", "text", "usage", "coverage", "warnings"),
        task=text("The task.", enum=["transcribe", "translate"]),
        language=_LANGUAGE_NAME,
        language_code=_LANGUAGE_CODE,
        duration=number(f"{_DURATION}; 0 if unknown.", minimum=0),
        text=text("The transcript; empty if there is no speech."),
        segments=listing("The segments, unless only words were requested.", ref("Segment")),
        words=listing("The words that have timestamps, if requested.", ref("Word")),
        usage=ref("Usage"),
        coverage=or_null(ref("Coverage")),
        truncated=_CUT_OFF,
        warnings=WARNINGS,
    ),
    "Segment": record(
        "A segment of speech. Values that Whisper does not report are 0 or empty.",
        (
            "id",
            "start",
            "end",
            "text",
            "seek",
            "tokens",
            "temperature",
            "avg_logprob",
            "compression_ratio",
            "no_speech_prob",
        ),
        id=integer("Index, from 0.", minimum=0),
        start=number(_SECONDS, minimum=0),
        end=number(_SECONDS, minimum=0),
        text=text("Text with its leading space."),
        seek=integer("Start of its window, in frames of 10 ms.", minimum=0),
        tokens=listing("Token ids.", {"type": "integer"}),
        temperature=number("Temperature at which it was decoded."),
        avg_logprob=number("Mean log probability of its tokens."),
        compression_ratio=number("Compression ratio of its text; above 2.4 it is repetitive."),
        no_speech_prob=number("Probability that there is no speech."),
        words=listing("Its words that have timestamps; only in streams, if requested.", ref("Word")),
        channel=CHANNEL,
    ),
    "Word": record(
        "A word; Whisper splits some at hyphens.",
        ("word", "start", "end"),
        word=text("The word, without leading space."),
        start=number(_SECONDS, minimum=0),
        end=number(_SECONDS, minimum=0),
        channel=CHANNEL,
    ),
    "Usage": record(
        "What was transcribed.",
        type=text("The unit of measurement.", const="duration"),
        seconds=integer("Seconds of audio, rounded up.", minimum=0),
    ),
    "TranscriptionDelta": record(
        "A segment, sent as soon as Whisper has decoded it; with `timestamp_granularities[]=word` it has `words`.",
        type=text("The type of the event.", const="transcript.text.delta"),
        delta=text("Text with its leading space; with separate channels, a line that starts with its channel."),
        segment=ref("Segment"),
    ),
    "TranscriptionDone": record(
        "The complete transcript.",
        type=text("The type of the event.", const="transcript.text.done"),
        text=text("The transcript; empty if there is no speech."),
        language=_LANGUAGE_NAME,
        language_code=_LANGUAGE_CODE,
        duration=or_null(number(f"{_DURATION}; null if unknown.", minimum=0)),
        coverage=or_null(ref("Coverage")),
        warnings=WARNINGS,
    ),
    "TranscriptionError": record(
        "An error after the stream has started.",
        type=text("The type of the event.", const="error"),
        error={"$ref": "#/components/schemas/OpenAIError/properties/error"},
    ),
}
