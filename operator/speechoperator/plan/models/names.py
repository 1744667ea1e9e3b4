"""Model names, compared as Ollama does.

A name is `[HOST/][NAMESPACE/]MODEL[:TAG]`, with the defaults `registry.ollama.ai`, `library` and `latest`; `/api/tags`
omits the default host and namespace. Names are case-insensitive.
https://github.com/ollama/ollama/blob/v0.17.4/types/model/name.go
"""

from __future__ import annotations

_HOST = "registry.ollama.ai/"
_NAMESPACE = "library/"
_TAG = "latest"


def canonical(name: str) -> str:
    """Return the canonical form of a name, equal for equal models: `llama3` is `llama3:latest`."""
    short = name.casefold().removeprefix(_HOST).removeprefix(_NAMESPACE)
    return short if ":" in short.rpartition("/")[2] else f"{short}:{_TAG}"
