"""OpenAPI: `POST /process`."""

from __future__ import annotations

from speechbridge.api import sse
from speechbridge.api.openapi.coverage import COVERAGE_EXAMPLE, WARNINGS
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
)
from speechbridge.errors import PROBLEMS
from speechbridge.stages.answer import FAILED_RESPONSE
from speechbridge.stages.conversation import DEFAULT_PROMPT

TAGS: list[Json] = [{"name": "Speech", "description": "Transcription and a language model's response in one request."}]

_TIMINGS = {
    "queue_ms": 2,
    "transcribe_ms": 410,
    "first_token_ms": 655,
    "generate_ms": 1190,
    "total_ms": 1604,
}
_ANSWERED = {
    "transcription": "He was not an ill-disposed young man.",
    "response": "The speaker describes a young man with mild approval.",
    "process_time_ms": 1604,
    "model": "llama3",
    "language": "en",
    "audio_seconds": 5.8,
    "finish_reason": "stop",
    "timings": _TIMINGS,
    "coverage": COVERAGE_EXAMPLE,
    "warnings": [],
}
_UNANSWERED = {
    **_ANSWERED,
    "response": f"{FAILED_RESPONSE}The model is not available yet: model 'llama3' not found.",
    "finish_reason": None,
    "timings": {**_TIMINGS, "first_token_ms": None, "generate_ms": None},
    "error": {"code": "model_missing", "message": "The model is not available yet: model 'llama3' not found."},
}
_SILENT = {
    **_ANSWERED,
    "transcription": "",
    "response": "",
    "finish_reason": None,
    "timings": {**_TIMINGS, "first_token_ms": None, "generate_ms": None},
    "coverage": {**COVERAGE_EXAMPLE, "speech_seconds": 0.0, "transcribed_seconds": 0.0},
    "warnings": [
        {
            "code": "no_speech",
            "message": "No speech was found in the recording, so the language model was not called.",
        }
    ],
}
_TRANSCRIPT = {
    "text": _ANSWERED["transcription"],
    "language": "en",
    "audio_seconds": 5.8,
    "coverage": COVERAGE_EXAMPLE,
    "warnings": [],
}
_EVENTS = [
    sse.encode("transcript.delta", {"text": " He was not an ill-disposed young man.", "start": 0.0, "end": 2.4}),
    sse.encode("transcript.done", _TRANSCRIPT),
    sse.encode("response.delta", {"text": "The speaker describes a young man"}),
    sse.encode("response.delta", {"text": " with mild approval."}),
    sse.encode("response.done", _ANSWERED),
]
_MAX_SEED = 2**63 - 1
_FORM = form(
    ("file",),
    prompt=text(
        "Instructions for the language model. They are kept separate from the transcript, which is delimited as data: "
        "words in the recording are not instructions. May follow the file. At most `MAX_FIELD_BYTES` bytes.",
        default=DEFAULT_PROMPT,
        example="Summarise this call in one sentence:",
    ),
    system=text(
        "Further instructions for the language model, put before `prompt` in the system message. Without `prompt` it "
        "has these alone.",
        example="You answer in French.",
    ),
    model=text("The language model, one of `/v1/models`; the first of them if missing.", example="llama3"),
    language=LANGUAGE,
    audio_track=AUDIO_TRACK,
    channels=CHANNELS,
    hotwords=HOTWORDS,
    initial_prompt=WHISPER_PROMPT,
    task=text(
        "Whether Whisper transcribes in the language of the recording, or translates into English.",
        enum=["transcribe", "translate"],
        default="transcribe",
    ),
    whisper_temperature=TEMPERATURE,
    vad_filter=VAD_FILTER,
    temperature=number(
        "Sampling temperature of the language model; if missing, its server's default.",
        minimum=0,
        maximum=2,
        example=0.2,
    ),
    max_tokens=integer(
        "Maximum number of tokens of the response, reasoning included; the warning `length` reports that it was "
        "reached.",
        minimum=1,
        maximum=2**31 - 1,
        example=500,
    ),
    seed=integer("Seed of the language model's random numbers.", minimum=-_MAX_SEED, maximum=_MAX_SEED, example=7),
    stop=listing(
        "Texts before which the response ends, 16 at most: the field is sent once for each, or once as a JSON list.",
        text("A text."),
        maxItems=16,
        example=["\n\n"],
    ),
    response_format=text(
        "`text`, `json_object`, a JSON schema, or OpenAI's object: "
        '`{"type": "json_schema", "json_schema": {"name": ..., "schema": ...}}`. The response is then JSON, as text.',
        default="text",
        example="json_object",
    ),
    think=text(
        "Whether a reasoning model reasons before it answers, or how much; if missing, the setting `THINK`. What it "
        "reasons is not part of the response.",
        enum=["true", "false", "low", "medium", "high"],
    ),
    keep_alive=text(
        "How long Ollama keeps the model in memory after this request: seconds, or a duration such as `30m`; `-1` for "
        "as long as it runs. If missing, the setting `KEEP_ALIVE`. Rejected if the server is not Ollama.",
        example="30m",
    ),
    stream={
        "type": "boolean",
        "default": False,
        "description": ("Stream the answer as events; equivalent to the header `Accept: text/event-stream`."),
    },
    file=RECORDING,
)

PATHS: Json = {
    "/process": {
        "post": {
            "operationId": "process",
            "security": KEYS,
            "tags": ["Speech"],
            "summary": "Transcribe a recording and send the transcript to a language model",
            "description": (
                "The upload is streamed to Whisper while it arrives; meanwhile the model processes the prompt. If only "
                "the generation fails, or the deadline ends the transcription, the status is still 200, with what was "
                "transcribed, a `response` that starts with "
                f"`{FAILED_RESPONSE.strip()}`, and `error`. Silence is not an error: the status is 200, with an empty "
                "transcription and the warning `no_speech`."
            ),
            "parameters": TRACING,
            "requestBody": _FORM,
            "responses": {
                "200": response(
                    "The transcript and the model's response.",
                    {
                        **json_content(
                            ref("ProcessResponse"),
                            answered=_ANSWERED,
                            generation_failed=_UNANSWERED,
                            silence=_SILENT,
                        ),
                        **event_stream(
                            "Events in this order: `status`, every ten seconds while no pod can be reached; any "
                            "number of `transcript.delta` (if Whisper streams), one "
                            "`transcript.done`, any number of `response.delta`, one `response.done`. An `error` in the "
                            "stage `transcribe` ends the stream; one in `generate`, and a deadline after the first "
                            "segment, is followed by `response.done`.",
                            {
                                "status": ref("StreamStatus"),
                                "transcript.delta": ref("TranscriptDelta"),
                                "transcript.done": ref("TranscriptDone"),
                                "response.delta": ref("ResponseDelta"),
                                "response.done": ref("ProcessResponse"),
                                "error": ref("StreamError"),
                            },
                            _EVENTS,
                        ),
                    },
                ),
                **errors("problem", *ALWAYS, *KEYED, *ADMISSION, *FORM, *TRANSCRIPTION, "unsupported_task"),
            },
        }
    }
}

_SPOKEN = or_null(text("Language of the recording, as an ISO 639 code; null without speech."))
_AUDIO_SECONDS = or_null(number("Duration of the recording in seconds; null if unknown.", minimum=0))


def _milliseconds(description: str) -> Json:
    return or_null(integer(f"Milliseconds {description}; null if not reached.", minimum=0))


SCHEMAS: Json = {
    "ProcessResponse": record(
        "A transcript and the model's response.",
        (
            "transcription",
            "response",
            "process_time_ms",
            "model",
            "language",
            "audio_seconds",
            "finish_reason",
            "timings",
            "coverage",
            "warnings",
        ),
        transcription=text("The transcript; empty if there is no speech."),
        response=text(
            f"The model's response; `{FAILED_RESPONSE.strip()}` and the reason if the generation failed; empty if "
            "there is no speech."
        ),
        process_time_ms=integer("Duration of the request in milliseconds; equal to `timings.total_ms`.", minimum=0),
        model=or_null(text("The language model; null if none is known.")),
        language=_SPOKEN,
        audio_seconds=_AUDIO_SECONDS,
        finish_reason=or_null(
            text("Why the response ended: `stop`, `length` (truncated), or another reason of the model server.")
        ),
        timings=ref("Timings"),
        coverage=or_null(ref("Coverage")),
        warnings=WARNINGS,
        error=ref("GenerationError"),
        partial_response=text("The response up to the failure; only with `error`."),
    ),
    "Timings": record(
        "Durations of the stages.",
        queue_ms=integer("Milliseconds of waiting for admission and for pods.", minimum=0),
        transcribe_ms=_milliseconds("from the start of the transcription on a pod to the transcript"),
        first_token_ms=_milliseconds("from the start of the request to the first token of the response"),
        generate_ms=_milliseconds("from the transcript to the last token"),
        total_ms=integer("Duration of the request in milliseconds.", minimum=0),
    ),
    "GenerationError": record(
        "Why there is no response, or only part of one.",
        code=text("As in an error response.", enum=sorted(PROBLEMS)),
        message=text("One human-readable sentence."),
    ),
    "TranscriptDelta": record(
        "A segment, sent as soon as Whisper has decoded it.",
        ("text", "start", "end"),
        text=text(
            "Text with its leading space; concatenated, the texts are the transcription. With separate channels, a "
            "line that starts with its channel; lines may arrive in another order than that of the transcription."
        ),
        start=number("Seconds from the start of the recording.", minimum=0),
        end=number("Seconds from the start of the recording.", minimum=0),
        channel=CHANNEL,
    ),
    "TranscriptDone": record(
        "The complete transcript.",
        text=text("The transcript; empty if there is no speech."),
        language=_SPOKEN,
        audio_seconds=_AUDIO_SECONDS,
        coverage=or_null(ref("Coverage")),
        warnings=WARNINGS,
    ),
    "ResponseDelta": record("A part of the response.", text=text("Concatenated, the texts are the response.")),
    "StreamStatus": record(
        "The request waits for a component that starts.",
        ("status", "stage"),
        status=text("What the request waits for.", const="starting"),
        stage=text("The stage that waits.", enum=["transcribe", "generate"]),
        loading=ref("Loading"),
    ),
    "StreamError": record(
        "An error after the stream has started.",
        code=text("As in an error response.", enum=sorted(PROBLEMS)),
        message=text("One human-readable sentence."),
        stage=text("The stage that failed.", enum=["transcribe", "generate"]),
    ),
}
