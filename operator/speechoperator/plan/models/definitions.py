"""Derived models: what they are created with, and how an outdated one is recognized.

Ollama keeps no annotations. So each derived model has a second name, its marker, with a hash of the definition and of
the base that it was created from. `/api/tags` lists both with one digest; a model without its marker is created again.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from speechoperator.plan.models.names import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from speechoperator.api import LanguageModel

MARKER_NAMESPACE = "speechpipeline/"
"""Begins the names of markers."""


def definition(model: LanguageModel) -> dict[str, Any]:
    """Return the members of the request that creates a model from its base; empty if it is not derived.

    https://github.com/ollama/ollama/blob/main/docs/api.md#create-a-model
    """
    if model.base is None:
        return {}
    members = {"system": model.system, "template": model.template, "parameters": model.parameters}
    return {"from": model.base, **{name: value for name, value in members.items() if value is not None}}


def revision(models: Iterable[LanguageModel]) -> str:
    """Return what identifies the definitions of models."""
    defined = [[canonical(model.name), definition(model)] for model in models if model.base is not None]
    return sha256(json.dumps(defined, sort_keys=True).encode()).hexdigest()[:16]


def marker(name: str, defined: Mapping[str, Any], base_digest: str) -> str:
    """Return the canonical name of the marker of a derived model.

    Args:
        name: The name of the model.
        defined: Its definition.
        base_digest: The digest of its base.
    """
    text = json.dumps([canonical(name), defined, base_digest], sort_keys=True)
    return f"{MARKER_NAMESPACE}{sha256(text.encode()).hexdigest()[:16]}:latest"


def is_current(model: LanguageModel, digests: Mapping[str, str]) -> bool:
    """Return whether a derived model was created with its current definition, from its current base.

    Args:
        model: The model.
        digests: The digests of the models that a pod has, by canonical name.
    """
    base = digests.get(canonical(model.base or ""))
    if base is None:
        return False
    name = marker(model.name, definition(model), base)
    return name in digests and digests[name] == digests.get(canonical(model.name))
