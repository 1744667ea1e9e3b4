"""Puts the families of routes together."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from speechbridge.api.openapi import audio, chat, health, models, pages, problems, process
from speechbridge.api.openapi.parts import (
    REQUEST_ID,
    REQUEST_ID_PARAMETER,
    RETRY_AFTER,
    SECURITY_SCHEMES,
    TRACEPARENT_PARAMETER,
)

if TYPE_CHECKING:
    from speechbridge.api.openapi.parts import Json

_FAMILIES = (process, audio, chat, models, health, pages)
_DESCRIPTION = """\
Turns recorded speech into a transcript and a language model's answer.

* Times are in seconds and members whose names end in `_ms` in milliseconds; sizes are in bytes.
* A form field that is blank counts as missing; fields that are not listed are passed over.
* Errors are `application/problem+json` (RFC 9457), under `/v1` the error object of OpenAI's API. Both have a `code` to
  branch on: it stays, while texts may change.
* Every answer names its request in `X-Request-ID`; so do the log and the calls to Whisper and the language model.
* A path that is not listed here answers 404 `not_found`, a method that is not listed 405 `method_not_allowed`, headers
  that are too large 431 `request_headers_too_large`. `HEAD` is answered wherever `GET` is.
* Official OpenAI clients work with the base URL `http://<address>/v1` and any API key.
* Where the service asks for API keys of its own (`API_KEYS_DIR`), one goes into `Authorization: Bearer` or `X-API-Key`;
  without it the answer is 401 `invalid_api_key`."""


def document() -> Json:
    """Return the OpenAPI 3.1 document."""
    paths: Json = {}
    schemas: Json = dict(problems.SCHEMAS)
    for family in _FAMILIES:
        paths |= family.PATHS
        schemas |= family.SCHEMAS
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "speechbridge",
            "summary": "Speech in, transcript and answer out",
            "description": _DESCRIPTION,
            "version": version(),
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This bridge"}],
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
    """Return the version of the distribution; an image may hold the package alone, which has none."""
    try:
        return metadata.version("speechpipeline")
    except metadata.PackageNotFoundError:
        return "unknown"
