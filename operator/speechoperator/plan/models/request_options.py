"""What requests to Ollama carry: written into the settings of the bridge, and read from them to warm up the models.

Ollama loads a model again when a request has other options than the one before, so a warm-up must send the same. The
bridge composes them in `speechbridge/generators/ollama.py`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.api import LanguageModel, Ollama


def settings(ollama: Ollama) -> dict[str, str]:
    """Return the bridge's settings about requests to Ollama."""
    options = {model.name: own for model in ollama.models if (own := _own(model))}
    return {
        **({"CONTEXT_LENGTH": f"{ollama.context_length}"} if ollama.context_length else {}),
        **({"KEEP_ALIVE": ollama.keep_alive} if ollama.keep_alive else {}),
        **({"MODEL_OPTIONS": json.dumps(options, sort_keys=True)} if options else {}),
    }


def parameters(environment: Mapping[str, str], model: str) -> dict[str, Any]:
    """Return the members `options` and `keep_alive` of the bridge's requests to a model, as far as they are set.

    Args:
        environment: The bridge's environment.
        model: The name of the model.
    """
    own = json.loads(environment.get("MODEL_OPTIONS") or "{}").get(model) or {}
    context = environment.get("CONTEXT_LENGTH")
    options = {**({"num_ctx": int(context)} if context else {}), **(own.get("options") or {})}
    keep_alive = own.get("keep_alive") or environment.get("KEEP_ALIVE") or ""
    return {
        **({"options": options} if options else {}),
        **({"keep_alive": int(keep_alive) if keep_alive == "-1" else keep_alive} if keep_alive else {}),
    }


def _own(model: LanguageModel) -> dict[str, Any]:
    return {
        **({"options": model.options} if model.options else {}),
        **({"keep_alive": model.keep_alive} if model.keep_alive else {}),
    }
