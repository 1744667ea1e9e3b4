"""The description of the HTTP API, and the source of its reference page."""

from __future__ import annotations

from typing import Any


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    return {"openapi": "3.1.0", "info": {"title": "speechbridge", "version": "0.1.0"}, "paths": {}}
