"""Names of models as Ollama compares them.

A name is `[HOST/][NAMESPACE/]MODEL[:TAG]`; the host is `registry.ollama.ai`, the namespace `library` and the tag
`latest` where nothing else is said, and `/api/tags` leaves out the first two. Capitals make no difference.
https://github.com/ollama/ollama/blob/v0.17.4/types/model/name.go
"""

from __future__ import annotations

_HOST = "registry.ollama.ai/"
_NAMESPACE = "library/"
_TAG = "latest"


def canonical(name: str) -> str:
    """Return a name in the form in which equal models have equal names: `llama3` is `llama3:latest`."""
    short = name.casefold().removeprefix(_HOST).removeprefix(_NAMESPACE)
    return short if ":" in short.rpartition("/")[2] else f"{short}:{_TAG}"
