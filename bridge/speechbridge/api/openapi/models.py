"""OpenAPI: `/v1/models`."""

from __future__ import annotations

from speechbridge.api.openapi.problems import ALWAYS, KEYED, errors
from speechbridge.api.openapi.schemas import (
    KEYS,
    TRACING,
    Json,
    integer,
    json_content,
    listing,
    record,
    ref,
    response,
    text,
)

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
                "The language models, the default first, then Whisper. The language models are those of the setting "
                "`MODELS`; if it is empty, those of the language model server."
            ),
            "parameters": TRACING,
            "responses": {
                "200": response(
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
            "summary": "Retrieve a model",
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
                "200": response("The model.", json_content(ref("Model"), language_model=_LLAMA, whisper=_WHISPER)),
                **errors("openai", *ALWAYS, *KEYED, "not_found", "model_not_found", "generator_unavailable"),
            },
        }
    },
}
SCHEMAS: Json = {
    "Model": record(
        "A model, in OpenAI's format.",
        id=text("The value of `model` in requests."),
        object=text("The type of the object.", const="model"),
        created=integer("Always 0: the time of creation is unknown."),
        owned_by=text("Always speechpipeline."),
        kind=text("What the model is for; not part of OpenAI's API.", enum=["chat", "transcription"]),
    ),
    "ModelList": record(
        "All models, in OpenAI's format.",
        object=text("The type of the object.", const="list"),
        data=listing("The models.", ref("Model"), minItems=1),
    ),
}
