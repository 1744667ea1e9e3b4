"""Assembles the OpenAPI document."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from speechbridge.api.openapi import audio, chat, coverage, health, models, pages, problems, process, responses
from speechbridge.api.openapi.schemas import (
    REQUEST_ID,
    REQUEST_ID_PARAMETER,
    RETRY_AFTER,
    SECURITY_SCHEMES,
    TRACEPARENT_PARAMETER,
)

if TYPE_CHECKING:
    from speechbridge.api.openapi.schemas import Json

_FAMILIES = (process, audio, chat, responses, models, health, pages)
_DESCRIPTION = """\
Turns recorded speech into a transcript and a language model's answer.

* Times are in seconds, members whose names end in `_ms` in milliseconds, sizes in bytes.
* The body may also be the recording alone, with `Content-Type: audio/*`, `video/*` or `application/octet-stream`; the
  fields are then query parameters.
* A blank form field counts as missing; unknown fields are ignored.
* Errors are `application/problem+json` (RFC 9457), under `/v1` OpenAI's error object. Both have a stable `code`; texts
  may change.
* Paths with doubled or trailing slashes, with `/v1` twice, or without the `/v1` of OpenAI's routes are accepted too.
* Every response has the id of its request in `X-Request-ID`; so do the log and the requests to Whisper and the language
  model.
* Unknown paths are answered with 404 `not_found`, unsupported methods with 405 `method_not_allowed`, oversized headers
  with 431 `request_headers_too_large`. `HEAD` works wherever `GET` does.
* Official OpenAI clients work with the base URL `http://<address>/v1` and any API key.
* If the service requires API keys (`API_KEYS_DIR`), send one in `Authorization: Bearer` or `X-API-Key`; otherwise the
  response is 401 `invalid_api_key`."""


def document() -> Json:
    """Return the OpenAPI 3.1 document."""
    paths: Json = {}
    schemas: Json = problems.SCHEMAS | coverage.SCHEMAS
    for family in _FAMILIES:
        paths |= family.PATHS
        schemas |= family.SCHEMAS
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "speechbridge",
            "summary": "Turns recorded speech into answers",
            "description": _DESCRIPTION,
            "version": version(),
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": ".", "description": "This bridge"}],
        "tags": [tag for family in _FAMILIES for tag in family.TAGS],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "headers": {"X-Request-ID": REQUEST_ID, "Retry-After": RETRY_AFTER},
            "securitySchemes": SECURITY_SCHEMES,
            "parameters": {"X-Request-ID": REQUEST_ID_PARAMETER, "traceparent": TRACEPARENT_PARAMETER},
        },
    }


def version() -> str:
    """Return the version of the distribution; images may contain the package without its metadata."""
    try:
        return metadata.version("speechpipeline")
    except metadata.PackageNotFoundError:
        return "unknown"
