"""The description of `POST /v1/chat/completions`."""

from __future__ import annotations

from speechbridge.api.openapi.parts import (
    KEYS,
    TRACING,
    Json,
    answer,
    event_stream,
    json_content,
    listing,
    or_null,
    record,
    ref,
    text,
    unnamed_event,
)
from speechbridge.api.openapi.problems import ADMISSION, ALWAYS, GENERATION, KEYED, TRANSCRIPTION, errors

TAGS: list[Json] = []

_QUESTION = {"model": "llama3", "messages": [{"role": "user", "content": "Name a colour."}]}
_SPOKEN_QUESTION = {
    "model": "llama3",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Summarise this recording."},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            ],
        }
    ],
    "stream": True,
}
_COMPLETION = {
    "id": "chatcmpl-417",
    "object": "chat.completion",
    "created": 1764000000,
    "model": "llama3",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Blue."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13},
}
_CHUNK = {"id": "chatcmpl-417", "object": "chat.completion.chunk", "created": 1764000000, "model": "llama3"}
_EVENTS = [
    unnamed_event({**_CHUNK, "choices": [{"index": 0, "delta": {"content": "Blue."}, "finish_reason": None}]}),
    unnamed_event({**_CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
    b"data: [DONE]\n\n",
]

PATHS: Json = {
    "/v1/chat/completions": {
        "post": {
            "operationId": "createChatCompletion",
            "security": KEYS,
            "tags": ["OpenAI"],
            "summary": "Let a language model answer, recordings included",
            "description": (
                "The request is passed on to the language model's server as it is, and so is its answer. Message parts "
                "of type `input_audio` are transcribed first, and their transcripts marked as data; models need not "
                "hear for that. Bodies are bounded by `MAX_JSON_BYTES`."
            ),
            "parameters": TRACING,
            "requestBody": {
                "required": True,
                "content": json_content(ref("ChatRequest"), question=_QUESTION, spoken_question=_SPOKEN_QUESTION),
            },
            "responses": {
                "200": answer(
                    "What the language model's server answers.",
                    {
                        **json_content(ref("ChatCompletion"), completion=_COMPLETION),
                        **event_stream(
                            "With `stream`: one chunk after the other, then `[DONE]`; an error ends the stream.",
                            {"chunk": ref("ChatCompletionChunk"), "error": ref("OpenAIError")},
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
                    "unknown_model",
                    "upload_stalled",
                    "upload_too_slow",
                    "upload_too_large",
                ),
            },
        }
    }
}


def _open(schema: Json) -> Json:
    """Let further members pass: they are the business of the language model's server."""
    return {**schema, "additionalProperties": True}


SCHEMAS: Json = {
    "ChatRequest": _open(
        record(
            "OpenAI's request. Beside the members named here any other (`max_tokens`, `temperature`, `tools`, ...) is "
            "passed on unseen.",
            ("messages",),
            model=or_null(
                text("The language model, one of `/v1/models`; the first one there when it is missing, null or empty.")
            ),
            messages=listing("The conversation so far.", ref("ChatMessage"), minItems=1),
            stream={"type": ["boolean", "null"], "default": False, "description": "Answer with events."},
        )
    ),
    "ChatMessage": _open(
        record(
            "One message.",
            ("role",),
            role=text("Who says it: system, user, assistant, tool."),
            content={
                "description": "What is said: text, or a list of parts.",
                "anyOf": [
                    {"type": ["string", "null"]},
                    listing("Parts.", {"anyOf": [ref("AudioPart"), ref("OtherPart")]}),
                ],
            },
        )
    ),
    "AudioPart": _open(
        record(
            "A recording: replaced by its transcript.",
            type=text("What this part is.", const="input_audio"),
            input_audio=_open(
                record(
                    "The recording.",
                    ("data",),
                    data=text("The file, in base64.", contentEncoding="base64", minLength=4),
                    format=text("Ending of the file's name: wav, mp3, ...; only a hint.", example="wav"),
                )
            ),
        )
    ),
    "OtherPart": _open(
        record(
            "Text, an image, ...: passed on unseen.",
            ("type",),
            type=text("What this part is.", example="text", **{"not": {"const": "input_audio"}}),
        )
    ),
    "ChatCompletion": _open(
        record(
            "The answer of the language model's server, as it is.",
            object=text("What this is.", const="chat.completion"),
            model=text("The model."),
            choices=listing("The answers.", _open({"type": "object"}), minItems=1),
        )
    ),
    "ChatCompletionChunk": _open(
        record(
            "A piece of an answer, as it is.",
            object=text("What this is.", const="chat.completion.chunk"),
            choices=listing("What is new; empty in the chunk that has the usage.", _open({"type": "object"})),
        )
    ),
}
