"""Model names, compared as Ollama does.

A name is `[HOST/][NAMESPACE/]MODEL[:TAG]`, with the defaults `registry.ollama.ai`, `library` and `latest`; `/api/tags`
omits the default host and namespace. Names are case-insensitive.
https://github.com/ollama/ollama/blob/v0.17.4/types/model/name.go
"""

from __future__ import annotations

import math
import re

_HOST = "registry.ollama.ai/"
_NAMESPACE = "library/"
_TAG = "latest"
_PARAMETERS = re.compile(r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![a-z0-9])")
"""The number of parameters in a name: `4b`, `135m`, `8x7b`."""
_UNITS = {"b": 1.0, "m": 0.001}


def canonical(name: str) -> str:
    """Return the canonical form of a name, equal for equal models: `llama3` is `llama3:latest`."""
    short = name.casefold().removeprefix(_HOST).removeprefix(_NAMESPACE)
    return short if ":" in short.rpartition("/")[2] else f"{short}:{_TAG}"


def parameters(name: str) -> float:
    """Return the billions of parameters that a name mentions, infinity if it mentions none.

    It orders pulls by size: the registry tells the bytes only once a pull has begun.
    """
    found = _PARAMETERS.findall(name.casefold())
    if not found:
        return math.inf
    experts, number, unit = found[-1]
    return int(experts or 1) * float(number) * _UNITS[unit]
