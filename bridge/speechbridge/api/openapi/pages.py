"""OpenAPI: the playground and the OpenAPI document."""

from __future__ import annotations

from pathlib import Path

from speechbridge.api.openapi.problems import errors
from speechbridge.api.openapi.schemas import Json, response, text

TAGS: list[Json] = [{"name": "Pages", "description": "For people and tools."}]

_FOLDER = Path(__file__).resolve().parent.parent.parent / "playground"
_FILES = sorted(file.name for file in _FOLDER.iterdir() if file.name != "index.html")

PATHS: Json = {
    "/": {
        "get": {
            "operationId": "playground",
            "tags": ["Pages"],
            "summary": "The playground",
            "description": "A web page to record speech or upload a file, and to follow transcript and response.",
            "responses": {"200": response("The page.", {"text/html": {"schema": text("HTML, in UTF-8.")}})},
        }
    },
    "/playground/{file}": {
        "get": {
            "operationId": "playgroundFile",
            "tags": ["Pages"],
            "summary": "Files of the playground",
            "parameters": [
                {
                    "name": "file",
                    "in": "path",
                    "required": True,
                    "description": "The name of the file.",
                    "schema": {"type": "string", "enum": _FILES},
                    "example": "app.js",
                }
            ],
            "responses": {
                "200": response(
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
                "200": response(
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
