"""What requests to Ollama carry: written into the settings of the bridge, and read from them to warm up the models.

Ollama loads a model again when a request has another `num_ctx` than the one before (or another of its runner's options,
`needsReload` in `server/sched.go` there), so a warm-up must send the same. The bridge composes them in
`speechbridge/generators/ollama.py`. Requests by OpenAI's API (`/v1/chat/completions`) cannot carry options: for these,
Ollama takes those of the model, and then its own settings.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.api import LanguageModel, Ollama


def settings(ollama: Ollama) -> dict[str, str]:
    """Return the bridge's settings about requests to Ollama."""
    options = of_models(ollama)
    return {
        **({"CONTEXT_LENGTH": f"{ollama.context_length}"} if ollama.context_length else {}),
        **({"KEEP_ALIVE": ollama.keep_alive} if ollama.keep_alive else {}),
        **({"MODEL_OPTIONS": json.dumps(options, sort_keys=True)} if options else {}),
    }


def of_models(ollama: Ollama) -> dict[str, dict[str, Any]]:
    """Return the members `options` and `keep_alive` that the bridge adds to requests to a model, by its name."""
    return {model.name: own for model in ollama.models if (own := _own(model, ollama))}


def server_settings(ollama: Ollama) -> dict[str, str]:
    """Return Ollama's settings by which requests without options get those that the bridge sends with the others.

    Those of single models are not among them: a change of the models must not restart the pods.
    """
    return {
        **({"OLLAMA_CONTEXT_LENGTH": f"{ollama.context_length}"} if ollama.context_length else {}),
        **({"OLLAMA_KEEP_ALIVE": ollama.keep_alive} if ollama.keep_alive else {}),
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


def _own(model: LanguageModel, ollama: Ollama) -> dict[str, Any]:
    options, defined = dict(model.options or {}), model.parameters or {}
    if ollama.context_length and "num_ctx" in defined:
        options.setdefault("num_ctx", defined["num_ctx"])  # else contextLength would override that of a derived model
    return {
        **({"options": options} if options else {}),
        **({"keep_alive": model.keep_alive} if model.keep_alive else {}),
    }
