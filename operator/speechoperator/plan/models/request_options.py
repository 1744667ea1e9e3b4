"""What requests to Ollama carry: written into the settings of the bridge, and read from them to warm up the models.

What is read may have been edited by hand: a reader raises ValueError, and its caller uses what the spec says.

Ollama loads a model again when a request has another `num_ctx` than the one before (or another of its runner's options,
`needsReload` in `server/sched.go` there), so a warm-up must send the same. The bridge composes them in
`speechbridge/generators/ollama.py`. Requests by OpenAI's API (`/v1/chat/completions`) cannot carry options: for these,
Ollama takes those of the model, and then its own settings.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.api import LanguageModel, Ollama


class ModelOptions(BaseModel):
    """What requests to one model carry, besides what all carry.

    Attributes:
        options: Options of Ollama: `num_ctx`, `top_p`, ...
        keep_alive: How long Ollama keeps the model in memory; empty for that of all models.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    options: dict[str, Any] = {}
    keep_alive: str = ""


_BY_MODEL = TypeAdapter(dict[str, ModelOptions])


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


def models(environment: Mapping[str, str]) -> dict[str, ModelOptions]:
    """Return the models in the bridge's environment by name, the default first.

    Raises:
        ValueError: MODEL_OPTIONS cannot be parsed.
    """
    own = _BY_MODEL.validate_json(environment.get("MODEL_OPTIONS") or "{}")
    return {name: own.get(name, ModelOptions()) for name in environment.get("MODELS", "").split(",") if name}


def parameters(environment: Mapping[str, str], own: ModelOptions) -> dict[str, Any]:
    """Return the members `options` and `keep_alive` of the bridge's requests to a model, as far as they are set.

    Args:
        environment: The bridge's environment.
        own: What requests to this model carry.

    Raises:
        ValueError: CONTEXT_LENGTH is no number.
    """
    context = environment.get("CONTEXT_LENGTH")
    options = {**({"num_ctx": int(context)} if context else {}), **own.options}
    keep_alive = own.keep_alive or environment.get("KEEP_ALIVE") or ""
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
