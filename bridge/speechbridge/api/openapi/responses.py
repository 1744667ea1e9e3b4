"""OpenAPI: `POST /v1/responses`."""

from __future__ import annotations

from speechbridge.api import sse
from speechbridge.api.openapi.coverage import RECORDING_WARNINGS
from speechbridge.api.openapi.problems import ADMISSION, ALWAYS, GENERATION, KEYED, TRANSCRIPTION, errors
from speechbridge.api.openapi.schemas import (
    KEYS,
    TRACING,
    Json,
    event_stream,
    integer,
    json_content,
    listing,
    or_null,
    record,
    ref,
    response,
    text,
)

TAGS: list[Json] = []

_QUESTION = {"model": "llama3", "input": "Name a colour."}
_SPOKEN_QUESTION = {
    "model": "llama3",
    "instructions": "Answer briefly.",
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Summarise this recording."},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            ],
        }
    ],
    "stream": True,
}
_PART = {"type": "output_text", "text": "Blue.", "annotations": [], "logprobs": []}
_MESSAGE = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [_PART]}
_RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1764000000,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "model": "llama3",
    "output": [_MESSAGE],
    "store": False,
    "usage": {"input_tokens": 11, "output_tokens": 2, "total_tokens": 13},
}
_DELTA = {
    "type": "response.output_text.delta",
    "sequence_number": 4,
    "item_id": "msg_1",
    "output_index": 0,
    "content_index": 0,
    "delta": "Blue.",
}
_EVENTS = [
    sse.encode("response.output_text.delta", _DELTA),
    sse.encode("response.completed", {"type": "response.completed", "sequence_number": 8, "response": _RESPONSE}),
]
_NAMES = (
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
    "response.completed",
    "response.incomplete",
    "error",
    "response.failed",
)

PATHS: Json = {
    "/v1/responses": {
        "post": {
            "operationId": "createResponse",
            "security": KEYS,
            "tags": ["OpenAI"],
            "summary": "Create a response, with recordings in the input",
            "description": (
                "OpenAI's Responses API, translated into a chat completion of the language model server. Recordings "
                "(`input_audio`, and `input_file` with audio) are replaced by their transcripts as in "
                "`/v1/chat/completions`, with `warnings` about them. Nothing is stored: `store` is ignored, and "
                "`previous_response_id`, `conversation`, `prompt`, `background` and references to items are rejected "
                "with `bad_field`. The only tools are functions."
            ),
            "parameters": TRACING,
            "requestBody": {
                "required": True,
                "content": json_content(ref("ResponseRequest"), question=_QUESTION, spoken_question=_SPOKEN_QUESTION),
            },
            "responses": {
                "200": response(
                    "The response.",
                    {
                        **json_content(ref("Response"), response=_RESPONSE),
                        **event_stream(
                            "With `stream`: OpenAI's events; `response.completed`, `response.incomplete` or "
                            "`response.failed` is the last.",
                            {name: ref("ResponseEvent") for name in _NAMES},
                            _EVENTS,
                        ),
                    },
                ),
                **errors(
                    "openai",
                    *ALWAYS,
                    *KEYED,
                    *ADMISSION,
                    *TRANSCRIPTION,
                    *GENERATION,
                    "bad_json",
                    "bad_field",
                    "model_not_found",
                    "upload_stalled",
                    "upload_too_slow",
                    "upload_too_large",
                ),
            },
        }
    }
}


def _open(schema: Json) -> Json:
    """Allow further members."""
    return {**schema, "additionalProperties": True}


_TEXT_OR_ITEMS = {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "object"}}]}

SCHEMAS: Json = {
    "ResponseRequest": _open(
        record(
            "OpenAI's request; members that are not listed here are ignored.",
            ("input",),
            model=or_null(
                text("The language model, one of `/v1/models`; the first of them if missing, null or empty.")
            ),
            input={
                "description": "Text, or items: messages, calls of functions, and their outputs.",
                **_TEXT_OR_ITEMS,
            },
            instructions=or_null(text("A system message before the input.")),
            stream={"type": ["boolean", "null"], "default": False, "description": "Stream the response as events."},
            max_output_tokens={"description": "Maximum number of tokens of the response."},
            temperature={"description": "Sampling temperature."},
            top_p={"description": "Probability mass of the tokens that are considered."},
            text={"description": "`format`: `text`, `json_object` or `json_schema`, as in OpenAI's API."},
            reasoning={"description": "`effort`: how much a reasoning model reasons."},
            tools={"description": "Functions that the model may call."},
            tool_choice={"description": "`auto`, `none`, `required`, or the function to call."},
            parallel_tool_calls={"description": "Whether the model may call several functions at once."},
        )
    ),
    "Response": _open(
        record(
            "OpenAI's response object.",
            ("id", "object", "created_at", "status", "model", "output", "usage"),
            id=text("Its id; nothing can be requested by it."),
            object=text("The type of the object.", const="response"),
            created_at=integer("Seconds since 1970-01-01 UTC.", minimum=0),
            status=text("How it ended.", enum=["in_progress", "completed", "incomplete", "failed"]),
            model=text("The language model."),
            output=listing("Messages, and calls of functions.", _open({"type": "object"})),
            usage={"type": ["object", "null"], "description": "Numbers of tokens."},
            warnings=RECORDING_WARNINGS,
        )
    ),
    "ResponseEvent": _open(
        record(
            "An event of a streamed response.",
            ("type", "sequence_number"),
            type=text("The type of the event, equal to its name.", enum=list(_NAMES)),
            sequence_number=integer("Its position in the stream, from 0.", minimum=0),
        )
    ),
}
