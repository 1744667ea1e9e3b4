"""The lines and bodies of Ollama's API, as far as they are read.

https://github.com/ollama/ollama/blob/main/docs/api.md
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from speechoperator.errors import OllamaError

MAX_ERROR_CHARS = 500
VERIFYING = "verifying"
"""Begins the status while Ollama computes checksums."""
_MAX_SHOWN_BYTES = 100


class Answer(BaseModel):
    """What is read of a response; other members are ignored, and null is the same as none."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Model(Answer):
    """A model that Ollama has, as in `/api/tags`."""

    name: str
    digest: str | None = None
    size: int | None = None


class Tags(Answer):
    """The body of `/api/tags`."""

    models: tuple[Model, ...] | None = None


class Running(Answer):
    """A model in memory, as in `/api/ps`. Sizes in bytes; of a model that is not on a GPU, `size_vram` is missing."""

    name: str
    size: int | None = None
    size_vram: int | None = None
    expires_at: datetime | None = None


class Processes(Answer):
    """The body of `/api/ps`."""

    models: tuple[Running, ...] | None = None


class Line(Answer):
    """A line of the response to `/api/pull` or `/api/create`, and the body of an error."""

    status: str | None = None
    digest: str | None = None
    total: int | None = None
    completed: int | None = None
    error: str | None = None


A = TypeVar("A", bound=Answer)


class Progress(NamedTuple):
    """A line of a pull's response.

    Attributes:
        status: "pulling manifest", "pulling 966de95ca8a6", "verifying sha256 digest", "success".
        digest: The layer it is about, "" for none.
        total: Bytes of the layer, 0 while unknown.
        completed: Bytes of the layer pulled so far.
    """

    status: str
    digest: str = ""
    total: int = 0
    completed: int = 0


def progress(line: bytes) -> Progress:
    """Return what a line says.

    Raises:
        OllamaError: it is an error, or not one of Ollama's lines.
    """
    found = parse(Line, line)
    if found.error:
        raise OllamaError(found.error[:MAX_ERROR_CHARS])
    return Progress(found.status or "", found.digest or "", found.total or 0, found.completed or 0)


def parse(model: type[A], text: bytes) -> A:
    """Parse a response.

    Raises:
        OllamaError: it is not one of Ollama's.
    """
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        shown = f"{where}: {first['msg']}" if where else repr(text[:_MAX_SHOWN_BYTES])
        raise OllamaError(f"it does not respond as Ollama does: {shown}") from None


def error_of(text: bytes) -> str:
    """Return the error in a body, empty if it has none."""
    try:
        return (Line.model_validate_json(text).error or "")[:MAX_ERROR_CHARS]
    except ValidationError:
        return ""
