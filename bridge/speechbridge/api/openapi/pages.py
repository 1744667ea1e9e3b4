"""The description of the playground and of this document itself."""

from __future__ import annotations

from pathlib import Path

from speechbridge.api.openapi.parts import Json, answer, text
from speechbridge.api.openapi.problems import errors

TAGS: list[Json] = [{"name": "Pages", "description": "For people and for tools."}]

_FOLDER = Path(__file__).resolve().parent.parent.parent / "playground"
_FILES = sorted(file.name for file in _FOLDER.iterdir() if file.name != "index.html")

PATHS: Json = {
    "/": {
        "get": {
            "operationId": "playground",
            "tags": ["Pages"],
            "summary": "The playground",
            "description": "A page to record or drop a file on, and to watch transcript and answer arrive.",
            "responses": {"200": answer("The page.", {"text/html": {"schema": text("HTML, in UTF-8.")}})},
        }
    },
    "/playground/{file}": {
        "get": {
            "operationId": "playgroundFile",
            "tags": ["Pages"],
            "summary": "What the playground is made of",
            "parameters": [
                {
                    "name": "file",
                    "in": "path",
                    "required": True,
                    "description": "A file of the page.",
                    "schema": {"type": "string", "enum": _FILES},
                    "example": "app.js",
                }
            ],
            "responses": {
                "200": answer(
                    "The file.",
                    {
                        media_type: {"schema": text("In UTF-8.")}
                        for media_type in ("text/javascript", "text/css", "image/svg+xml")
                    },
                ),
                **errors("problem", "not_found"),
            },
        }
    },
    "/openapi.json": {
        "get": {
            "operationId": "openapi",
            "tags": ["Pages"],
            "summary": "This document",
            "responses": {
                "200": answer(
                    "OpenAPI 3.1, as JSON.",
                    {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["openapi", "info", "paths", "components"],
                                "additionalProperties": True,
                            }
                        }
                    },
                )
            },
        }
    },
}
SCHEMAS: Json = {}
