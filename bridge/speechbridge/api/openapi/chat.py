"""OpenAPI: `POST /v1/chat/completions`."""

from __future__ import annotations

from speechbridge.api.chat_recordings import MAX_RECORDINGS
from speechbridge.api.chat_request import MAX_CHOICES, REFUSED_MEMBERS
from speechbridge.api.openapi.coverage import RECORDING_WARNINGS
from speechbridge.api.openapi.problems import ADMISSION, ALWAYS, GENERATION, KEYED, TRANSCRIPTION, errors
from speechbridge.api.openapi.schemas import (
    KEYS,
    TRACING,
    Json,
    event_stream,
    json_content,
    listing,
    or_null,
    record,
    ref,
    response,
    text,
    unnamed_event,
)

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
            "summary": "Create a chat completion, with recordings in the messages",
            "description": (
                "The request is forwarded to the language model server unchanged, and so is its response, except that "
                "`warnings` about recordings are added unless it is streamed. Message "
                "parts with recordings (`input_audio`, `audio_url`, `file`) are replaced by their transcripts, "
                "delimited as data, so the model needs no audio support; the system message then explains the "
                "delimiters. A recording without speech is replaced by a sentence that says so. "
                f"A request has at most {MAX_RECORDINGS} recordings. Bodies are limited to "
                "`MAX_JSON_BYTES`. For the safety of the model server, these members are rejected with `bad_field`: "
                f"{', '.join(f'`{name}`' for name in REFUSED_MEMBERS)}; `n` is limited to {MAX_CHOICES}; and images "
                "are `data:` URIs, unless the setting `FORWARD_MEDIA_URLS` allows other URLs."
            ),
            "parameters": TRACING,
            "requestBody": {
                "required": True,
                "content": json_content(ref("ChatRequest"), question=_QUESTION, spoken_question=_SPOKEN_QUESTION),
            },
            "responses": {
                "200": response(
                    "The response of the language model server.",
                    {
                        **json_content(ref("ChatCompletion"), completion=_COMPLETION),
                        **event_stream(
                            "With `stream`: chunks, then `[DONE]`; an error ends the stream.",
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
    """Allow further members, which are left to the language model server."""
    return {**schema, "additionalProperties": True}


SCHEMAS: Json = {
    "ChatRequest": _open(
        record(
            "OpenAI's request. All other members (`max_tokens`, `temperature`, `tools`, ...) are forwarded unchanged.",
            ("messages",),
            model=or_null(
                text("The language model, one of `/v1/models`; the first of them if missing, null or empty.")
            ),
            messages=listing("The conversation so far.", ref("ChatMessage"), minItems=1),
            stream={"type": ["boolean", "null"], "default": False, "description": "Stream the response as events."},
        )
    ),
    "ChatMessage": _open(
        record(
            "One message.",
            ("role",),
            role=text("The author: system, user, assistant or tool."),
            content={
                "description": "The content: text, or a list of parts.",
                "anyOf": [
                    {"type": ["string", "null"]},
                    listing(
                        "Content parts.",
                        {"anyOf": [ref("AudioPart"), ref("AudioUrlPart"), ref("FilePart"), ref("OtherPart")]},
                    ),
                ],
            },
        )
    ),
    "AudioPart": _open(
        record(
            "A recording, replaced by its transcript.",
            type=text("The type of the part.", const="input_audio"),
            input_audio=_open(
                record(
                    "The recording.",
                    ("data",),
                    data=text(
                        "The file in base64, of the usual or the URL-safe alphabet, with or without line breaks and "
                        "padding, or a `data:` URI of it.",
                        contentEncoding="base64",
                        minLength=4,
                    ),
                    format=or_null(text("File extension such as wav or mp3; only a hint.", example="wav")),
                )
            ),
        )
    ),
    "AudioUrlPart": _open(
        record(
            "A recording as vLLM's clients send it, replaced by its transcript.",
            type=text("The type of the part.", const="audio_url"),
            audio_url=_open(
                record("The recording.", ("url",), url=text("A `data:` URI in base64; other URLs are not fetched."))
            ),
        )
    ),
    "FilePart": _open(
        record(
            "A file. Audio and video, by the media type of its `data:` URI or the ending of its name, are replaced by "
            "their transcript; other files are forwarded unchanged.",
            ("type",),
            type=text("The type of the part.", const="file"),
            file={"description": "The file: `file_data`, a `data:` URI or base64, and `filename`."},
        )
    ),
    "OtherPart": _open(
        record(
            "Text, an image, ...; forwarded unchanged.",
            ("type",),
            type=text(
                "The type of the part.", example="text", **{"not": {"enum": ["input_audio", "audio_url", "file"]}}
            ),
        )
    ),
    "ChatCompletion": _open(
        record(
            "The response of the language model server.",
            ("object", "model", "choices"),
            object=text("The type of the object.", const="chat.completion"),
            model=text("The model."),
            choices=listing("The choices.", _open({"type": "object"}), minItems=1),
            warnings=RECORDING_WARNINGS,
        )
    ),
    "ChatCompletionChunk": _open(
        record(
            "An unchanged part of a streamed response.",
            object=text("The type of the object.", const="chat.completion.chunk"),
            choices=listing("The new content; empty in the chunk with the usage.", _open({"type": "object"})),
        )
    ),
}
