"""Building blocks of the OpenAPI document: schemas, headers, responses, forms, event streams."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]

REQUEST_ID: Json = {
    "description": "The id of the request: the client's own if it is valid, else a new one.",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
    "example": "7f3c0de1a2b4c596",
}
RETRY_AFTER: Json = {
    "description": "Seconds after which to retry, estimated from the queue and the recent speed.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 600},
    "example": 4,
}
REQUEST_ID_PARAMETER: Json = {
    "name": "X-Request-ID",
    "in": "header",
    "description": "An id for the request: 1 to 128 letters, digits and `._~:/+=-`. Invalid ids are replaced.",
    "schema": {"type": "string"},
    "example": "order-4711",
}
TRACEPARENT_PARAMETER: Json = {
    "name": "traceparent",
    "in": "header",
    "description": "W3C trace context, forwarded to Whisper and the language model.",
    "schema": {"type": "string"},
    "example": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}
SECURITY_SCHEMES: Json = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, as sent by OpenAI clients."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The API key in its own header."},
}
KEYS: list[Json] = [{}, {"bearer": []}, {"header": []}]
"""Required only if the service is configured with API keys."""

TRACING: list[Json] = [
    {"$ref": "#/components/parameters/X-Request-ID"},
    {"$ref": "#/components/parameters/traceparent"},
]


def ref(schema: str) -> Json:
    """Return a reference to a schema of the components."""
    return {"$ref": f"#/components/schemas/{schema}"}


def record(description: str, required: tuple[str, ...] = (), **properties: Json) -> Json:
    """Return the schema of an object; all members are required unless `required` lists those that are."""
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(required or properties),
    }


def text(description: str, **more: Any) -> Json:
    """Return the schema of a string."""
    return {"type": "string", "description": description, **more}


def number(description: str, **more: Any) -> Json:
    """Return the schema of a number; the description gives its unit."""
    return {"type": "number", "description": description, **more}


def integer(description: str, **more: Any) -> Json:
    """Return the schema of an integer; the description gives its unit."""
    return {"type": "integer", "description": description, **more}


def listing(description: str, items: Json, **more: Any) -> Json:
    """Return the schema of a list."""
    return {"type": "array", "description": description, "items": items, **more}


def or_null(schema: Json) -> Json:
    """Return a schema that also allows null."""
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def response(description: str, content: Json, **headers: Json) -> Json:
    """Return a response, with the header X-Request-ID."""
    named = {name.replace("_", "-"): header for name, header in headers.items()}
    return {
        "description": description,
        "headers": {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}, **named},
        "content": content,
    }


def json_content(schema: Json, **examples: Any) -> Json:
    """Return the content of a JSON body, with named examples."""
    return {"application/json": {"schema": schema, "examples": named_examples(examples)}}


def named_examples(examples: Json) -> Json:
    """Return OpenAPI examples; underscores in names are replaced by spaces in summaries."""
    return {name: {"summary": name.replace("_", " "), "value": value} for name, value in examples.items()}


def event_stream(description: str, events: Json, example: list[bytes]) -> Json:
    """Return the content of a body of Server-Sent Events.

    Args:
        events: The schema of each event's data, by the name of the event: the extension `x-events`, since OpenAPI 3.1
            has no keyword for it.
        example: Encoded events.
    """
    schema = text(f"{description} Lines that start with a colon are keep-alive comments; ignore them.")
    return {"text/event-stream": {"schema": schema, "example": b"".join(example).decode(), "x-events": events}}


def unnamed_event(data: Any) -> bytes:
    """Return an event without a name, as in OpenAI's API."""
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def form(required: tuple[str, ...], **properties: Json) -> Json:
    """Return the request body of a multipart form with a recording; `__list` in a name stands for `[]`."""
    named = {name.replace("__list", "[]"): schema for name, schema in properties.items()}
    return {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": named,
                    "required": list(required),
                },
                "encoding": {
                    "file": {"contentType": "audio/*, video/*, application/octet-stream"},
                    **{name: {"style": "form", "explode": True} for name in named if name.endswith("[]")},
                },
            }
        },
    }


RECORDING: Json = {
    "type": "string",
    "format": "binary",
    "description": (
        "The recording: any container and codec that FFmpeg decodes (WAV, MP3, Ogg, FLAC, WebM, MP4, ...), recognised "
        "by its content, not by its name. At most `MAX_UPLOAD_BYTES` bytes. The field may also be named `audio_file`."
    ),
}
AUDIO_TRACK: Json = integer(
    "Number of the file's audio track, from 0 as in FFmpeg's `0:a:N`; if missing, the default track, or the next one "
    "that can be decoded and is not silent. Send it before large files. whisper-asr-webservice ignores it.",
    minimum=0,
    maximum=9999,
    example=1,
)
CHANNELS: Json = text(
    "`separate` transcribes each channel of the recording by itself, such as the two sides of a call: segments have a "
    "`channel`, and the text has a line per segment that starts with `[Channel 0]: `. At most 8 channels, and each "
    "costs as much as a recording of its own. Send it before large files. A Whisper server that ignores it mixes the "
    "channels; the warning `channels_mixed` says so.",
    enum=["mixed", "separate"],
    default="mixed",
)
CHANNEL: Json = integer("Number of its audio channel, from 0; only with `channels=separate`.", minimum=0)
HOTWORDS: Json = text(
    "Names and terms in the recording, separated by commas or lines: Whisper adopts their spelling in all of it. At "
    "most 223 tokens are used, about 900 letters of English; servers without `hotwords` ignore them, except "
    "whisper-asr-webservice, where they are added to the prompt. The field may also be named `vocabulary`.",
    example="Mr. Dashwood, Norland Park",
)
TEMPERATURE: Json = number(
    "Sampling temperature; if missing, Whisper raises it from 0 where needed.", minimum=0, maximum=1
)
WHISPER_PROMPT: Json = text(
    "Preceding text, or names that occur in the recording: Whisper adopts their spelling.", example="Mr. Dashwood"
)
VAD_FILTER: Json = {
    "type": "boolean",
    "description": "Whether Whisper removes all pauses before it decodes; if missing, the server's default.",
}
LANGUAGE: Json = text(
    "Language of the recording: an ISO 639 code or an English name of a language that Whisper supports, with or "
    "without a region (`en-US`). Detected if missing or `auto`.",
    example="en",
)
