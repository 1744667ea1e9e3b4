"""The description of `POST /process`."""

from __future__ import annotations

from speechbridge.api import sse
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
)
from speechbridge.api.openapi.problems import ADMISSION, ALWAYS, FORM, KEYED, TRANSCRIPTION, errors
from speechbridge.errors import PROBLEMS
from speechbridge.stages.conversation import DEFAULT_PROMPT, FAILED_RESPONSE

TAGS: list[Json] = [
    {"name": "Speech", "description": "A recording in, a transcript and a language model's answer out, in one request."}
]

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
    "warnings": [],
}
_UNANSWERED = {
    **_ANSWERED,
    "response": f"{FAILED_RESPONSE}The model is not there yet: model 'llama3' not found.",
    "finish_reason": None,
    "timings": {**_TIMINGS, "first_token_ms": None, "generate_ms": None},
    "error": {"code": "model_missing", "message": "The model is not there yet: model 'llama3' not found."},
}
_SILENT = {
    **_ANSWERED,
    "transcription": "",
    "response": "",
    "finish_reason": None,
    "timings": {**_TIMINGS, "first_token_ms": None, "generate_ms": None},
    "warnings": [
        {
            "code": "no_speech",
            "message": "No speech was found in the recording, so the language model was not asked.",
        }
    ],
}
_TRANSCRIPT = {"text": _ANSWERED["transcription"], "language": "en", "audio_seconds": 5.8, "warnings": []}
_EVENTS = [
    sse.encode("transcript.delta", {"text": " He was not an ill-disposed young man.", "start": 0.0, "end": 2.4}),
    sse.encode("transcript.done", _TRANSCRIPT),
    sse.encode("response.delta", {"text": "The speaker describes a young man"}),
    sse.encode("response.delta", {"text": " with mild approval."}),
    sse.encode("response.done", _ANSWERED),
]
_FORM = form(
    ("file",),
    prompt=text(
        "What the language model is to do with the transcript. It goes to the model apart from the transcript, which "
        "is marked as data: words in the recording are no instructions. May come after the file. At most "
        "`MAX_PROMPT_BYTES` bytes.",
        default=DEFAULT_PROMPT,
        example="Summarise this call in one sentence:",
    ),
    model=text("The language model, one of `/v1/models`; the first one there when it is missing.", example="llama3"),
    language=LANGUAGE,
    stream={
        "type": "boolean",
        "default": False,
        "description": (
            "Answer with events while they come about; the header `Accept: text/event-stream` asks for the same."
        ),
    },
    file=RECORDING,
)

PATHS: Json = {
    "/process": {
        "post": {
            "operationId": "process",
            "security": KEYS,
            "tags": ["Speech"],
            "summary": "Transcribe a recording and have a language model answer",
            "description": (
                "The upload is passed on while it arrives; the model reads the prompt while Whisper works. When the "
                f"generation fails the answer is still a 200: it has the transcription, a `response` that starts with "
                f"`{FAILED_RESPONSE.strip()}`, and `error`. Silence is no error: 200, an empty transcription, and the "
                "warning `no_speech`."
            ),
            "parameters": TRACING,
            "requestBody": _FORM,
            "responses": {
                "200": answer(
                    "The transcript and the answer to it.",
                    {
                        **json_content(
                            ref("ProcessAnswer"),
                            answered=_ANSWERED,
                            generation_failed=_UNANSWERED,
                            silence=_SILENT,
                        ),
                        **event_stream(
                            "Events in this order: any number of `transcript.delta` (where Whisper streams), one "
                            "`transcript.done`, any number of `response.delta`, one `response.done`. An `error` of the "
                            "stage transcribe ends the stream; after one of generate `response.done` follows.",
                            {
                                "transcript.delta": ref("TranscriptDelta"),
                                "transcript.done": ref("TranscriptDone"),
                                "response.delta": ref("ResponseDelta"),
                                "response.done": ref("ProcessAnswer"),
                                "error": ref("StreamError"),
                            },
                            _EVENTS,
                        ),
                    },
                ),
                **errors("problem", *ALWAYS, *KEYED, *ADMISSION, *FORM, *TRANSCRIPTION, "prompt_too_long"),
            },
        }
    }
}

_WARNINGS = listing("What the caller should know, though all went well.", ref("Warning"))
_SPOKEN = or_null(text("The language spoken, as an ISO 639 code; null where Whisper does not tell."))
_AUDIO_SECONDS = or_null(number("Length of the recording in seconds; null where it is not known.", minimum=0))


def _milliseconds(description: str) -> Json:
    return or_null(integer(f"Milliseconds {description}; null when it did not come to that.", minimum=0))


SCHEMAS: Json = {
    "ProcessAnswer": record(
        "A transcript and the answer to it.",
        (
            "transcription",
            "response",
            "process_time_ms",
            "model",
            "language",
            "audio_seconds",
            "finish_reason",
            "timings",
            "warnings",
        ),
        transcription=text("What was said; empty when nothing was."),
        response=text(
            f"What the language model answered; when that failed, `{FAILED_RESPONSE.strip()}` and why; empty when "
            "nothing was said."
        ),
        process_time_ms=integer("Milliseconds of the whole request; the same as `timings.total_ms`.", minimum=0),
        model=or_null(text("The language model; null when none is known.")),
        language=_SPOKEN,
        audio_seconds=_AUDIO_SECONDS,
        finish_reason=or_null(
            text("How the answer ended: `stop`, `length` (cut off), or what else the model's server calls it.")
        ),
        timings=ref("Timings"),
        warnings=_WARNINGS,
        error=ref("GenerationError"),
        partial_response=text("What the model had said before it failed; only beside `error`."),
    ),
    "Timings": record(
        "Where the time went.",
        queue_ms=integer("Milliseconds of waiting for a turn and for pods.", minimum=0),
        transcribe_ms=_milliseconds("from a Whisper pod's taking the recording to the transcript"),
        first_token_ms=_milliseconds("from the start of the request to the first token of the answer"),
        generate_ms=_milliseconds("from the transcript to the last token"),
        total_ms=integer("Milliseconds of the whole request.", minimum=0),
    ),
    "Warning": record(
        "Something short of an error.",
        code=text("What a program may branch on.", enum=["no_speech", "context_overflow", "length"]),
        message=text("One sentence for a person."),
    ),
    "GenerationError": record(
        "Why there is no answer, or only part of one.",
        code=text("As in an error answer.", enum=sorted(PROBLEMS)),
        message=text("One sentence for a person."),
    ),
    "TranscriptDelta": record(
        "A stretch of speech, as soon as Whisper has it.",
        text=text("What was said, with its leading space: joined, the texts make the transcription."),
        start=number("Seconds from the start of the recording.", minimum=0),
        end=number("Seconds from the start of the recording.", minimum=0),
    ),
    "TranscriptDone": record(
        "The whole transcript.",
        text=text("What was said; empty when nothing was."),
        language=_SPOKEN,
        audio_seconds=_AUDIO_SECONDS,
        warnings=_WARNINGS,
    ),
    "ResponseDelta": record("A piece of the answer.", text=text("Joined, the texts make the response.")),
    "StreamError": record(
        "An error after the stream had begun.",
        code=text("As in an error answer.", enum=sorted(PROBLEMS)),
        message=text("One sentence for a person."),
        stage=text("What failed.", enum=["transcribe", "generate"]),
    ),
}
