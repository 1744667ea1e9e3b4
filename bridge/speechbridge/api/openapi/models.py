"""The description of `/v1/models`."""

from __future__ import annotations

from speechbridge.api.openapi.parts import (
    KEYS,
    TRACING,
    Json,
    answer,
    integer,
    json_content,
    listing,
    record,
    ref,
    text,
)
from speechbridge.api.openapi.problems import ALWAYS, KEYED, errors

TAGS: list[Json] = []

_LLAMA = {"id": "llama3", "object": "model", "created": 0, "owned_by": "speechpipeline", "kind": "chat"}
_WHISPER = {"id": "whisper-1", "object": "model", "created": 0, "owned_by": "speechpipeline", "kind": "transcription"}

PATHS: Json = {
    "/v1/models": {
        "get": {
            "operationId": "listModels",
            "security": KEYS,
            "tags": ["OpenAI"],
            "summary": "List the models",
            "description": (
                "The language models first, the default before the others, then Whisper. Those of the setting "
                "`MODELS`, or, where it is empty, those that the language model's server has now."
            ),
            "parameters": TRACING,
            "responses": {
                "200": answer(
                    "The models.",
                    json_content(ref("ModelList"), models={"object": "list", "data": [_LLAMA, _WHISPER]}),
                ),
                **errors("openai", *ALWAYS, *KEYED, "generator_unavailable"),
            },
        }
    },
    "/v1/models/{name}": {
        "get": {
            "operationId": "retrieveModel",
            "security": KEYS,
            "tags": ["OpenAI"],
            "summary": "Look a model up",
            "parameters": [
                {
                    "name": "name",
                    "in": "path",
                    "required": True,
                    "description": "The model's id; it may contain slashes.",
                    "schema": {"type": "string", "minLength": 1},
                    "example": "llama3",
                },
                *TRACING,
            ],
            "responses": {
                "200": answer("The model.", json_content(ref("Model"), language_model=_LLAMA, whisper=_WHISPER)),
                **errors("openai", *ALWAYS, *KEYED, "not_found", "unknown_model", "generator_unavailable"),
            },
        }
    },
}
SCHEMAS: Json = {
    "Model": record(
        "A model, in OpenAI's form.",
        id=text("The name to give as `model`."),
        object=text("What this is.", const="model"),
        created=integer("Unix time in seconds; 0, for nobody here knows."),
        owned_by=text("Always speechpipeline."),
        kind=text("What it is for; OpenAI has no such member.", enum=["chat", "transcription"]),
    ),
    "ModelList": record(
        "All models, in OpenAI's form.",
        object=text("What this is.", const="list"),
        data=listing("The models.", ref("Model"), minItems=1),
    ),
}
