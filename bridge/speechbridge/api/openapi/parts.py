"""What the descriptions of all routes are made of: schemas, headers, answers, forms, event streams."""

from __future__ import annotations

import json
from typing import Any

from speechbridge.intake.languages import LANGUAGES

Json = dict[str, Any]

REQUEST_ID: Json = {
    "description": "The request's id: the caller's own, where it sent one that is fit for a log, else a new one.",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
    "example": "7f3c0de1a2b4c596",
}
RETRY_AFTER: Json = {
    "description": "Whole seconds after which another try makes sense: by the work that waits and the speed of late.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 600},
    "example": 4,
}
REQUEST_ID_PARAMETER: Json = {
    "name": "X-Request-ID",
    "in": "header",
    "description": "An id of your own for this request: 1 to 128 letters, digits and `._~:/+=-`; others are replaced.",
    "schema": {"type": "string"},
    "example": "order-4711",
}
TRACEPARENT_PARAMETER: Json = {
    "name": "traceparent",
    "in": "header",
    "description": "W3C trace context, passed on to Whisper and the language model.",
    "schema": {"type": "string"},
    "example": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}
SECURITY_SCHEMES: Json = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, as OpenAI's clients send it."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same, plainly."},
}
KEYS: list[Json] = [{}, {"bearer": []}, {"header": []}]
"""Asked for only where the service is set up with keys."""

TRACING: list[Json] = [
    {"$ref": "#/components/parameters/X-Request-ID"},
    {"$ref": "#/components/parameters/traceparent"},
]


def ref(schema: str) -> Json:
    """Point to a schema of the components."""
    return {"$ref": f"#/components/schemas/{schema}"}


def record(description: str, required: tuple[str, ...] = (), **properties: Json) -> Json:
    """Describe an object: all members are required unless `required` names those that are."""
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(required or properties),
    }


def text(description: str, **more: Any) -> Json:
    """Describe a string."""
    return {"type": "string", "description": description, **more}


def number(description: str, **more: Any) -> Json:
    """Describe a number; the description names its unit."""
    return {"type": "number", "description": description, **more}


def integer(description: str, **more: Any) -> Json:
    """Describe a whole number; the description names its unit."""
    return {"type": "integer", "description": description, **more}


def listing(description: str, items: Json, **more: Any) -> Json:
    """Describe a list."""
    return {"type": "array", "description": description, "items": items, **more}


def or_null(schema: Json) -> Json:
    """Allow null beside a simple type."""
    return {**schema, "type": [schema["type"], "null"]}


def answer(description: str, content: Json, **headers: Json) -> Json:
    """Describe an answer: each has the request's id."""
    named = {name.replace("_", "-"): header for name, header in headers.items()}
    return {
        "description": description,
        "headers": {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}, **named},
        "content": content,
    }


def json_content(schema: Json, **examples: Any) -> Json:
    """Describe a body in JSON, with examples by name."""
    return {"application/json": {"schema": schema, "examples": named_examples(examples)}}


def named_examples(examples: Json) -> Json:
    """Return examples as OpenAPI has them; an underscore in a name stands for a space."""
    return {name: {"summary": name.replace("_", " "), "value": value} for name, value in examples.items()}


def event_stream(description: str, events: Json, example: list[bytes]) -> Json:
    """Describe a body of Server-Sent Events.

    Args:
        events: The schema of the data of each event, by the event's name; OpenAPI 3.1 has no word for it, so it is the
            extension `x-events`.
        example: Encoded events.
    """
    schema = text(f"{description} Lines that start with a colon keep the connection alive: pass over them.")
    return {"text/event-stream": {"schema": schema, "example": b"".join(example).decode(), "x-events": events}}


def unnamed_event(data: Any) -> bytes:
    """Return an event as OpenAI's API has them: without a name."""
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def form(required: tuple[str, ...], **properties: Json) -> Json:
    """Describe a multipart form with a recording; `[]` in a field's name is spelled `__list`."""
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
        "The recording: any container and codec that FFmpeg decodes (WAV, MP3, Ogg, FLAC, WebM, MP4, ...), of at most "
        "`MAX_UPLOAD_BYTES` bytes. It is told by its content, not by its name. The field may also be called "
        "`audio_file`."
    ),
}
LANGUAGE: Json = text(
    "What is spoken, as an ISO 639 code that Whisper knows; detected when it is missing.",
    enum=sorted(LANGUAGES),
    example="en",
)
