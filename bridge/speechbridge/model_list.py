"""The models that requests may name, and what requests to each of them carry: from settings, or from a JSON file.

    {"models": [{"name": "llama3", "options": {"num_ctx": 8192}, "keep_alive": "1h"}, {"name": "qwen3:4b"}]}

The first model is the default. Without models, those of the language model server are offered. Unknown members are
ignored: the operator of a newer release writes the file of bridges whose update is held.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

if TYPE_CHECKING:
    from pathlib import Path

_REVISION_DIGITS = 16


class ModelSettings(BaseModel):
    """What requests to one model carry unless a client says otherwise.

    Attributes:
        options: Options of Ollama: `num_ctx`, `top_p`, ...
        keep_alive: How long Ollama keeps the model in memory; empty for the setting KEEP_ALIVE.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    options: Mapping[str, Any] = {}
    keep_alive: str = ""


class _Listed(ModelSettings):
    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _File(BaseModel):
    models: tuple[_Listed, ...]


@dataclass(frozen=True, slots=True)
class ModelList:
    """A list of models.

    Attributes:
        names: The models that requests may name, the default first; empty for the models of the server.
        settings: What requests to a model carry, by its name.
        revision: Identifies the file that it is from: the first 16 hexadecimal digits of its SHA-256; empty without.
    """

    names: tuple[str, ...] = ()
    settings: Mapping[str, ModelSettings] = field(default_factory=dict)
    revision: str = ""


class Models:
    """The current list, which a file may replace at any time: whoever needs it asks each time.

    Attributes:
        current: The list.
    """

    def __init__(self, current: ModelList) -> None:
        self.current = current


def read(path: Path) -> ModelList:
    """Read a file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not a list of models.
    """
    return parse(path.read_bytes())


def parse(content: bytes) -> ModelList:
    """Return the list in the content of a file.

    Raises:
        ValueError: It is none.
    """
    try:
        listed = _File.model_validate_json(content).models
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        message = f"{where}: {first['msg']}" if where else first["msg"]
        raise ValueError(message) from None
    settings = {model.name: ModelSettings(options=model.options, keep_alive=model.keep_alive) for model in listed}
    revision = sha256(content).hexdigest()[:_REVISION_DIGITS]
    return ModelList(tuple(model.name for model in listed), settings, revision)
