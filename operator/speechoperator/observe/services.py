"""The models of the operator's own Ollama pods: polls once, and returns failures as results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.errors import OllamaError
from speechoperator.plan.snapshot import OllamaPod

if TYPE_CHECKING:
    from speechoperator.ollama.client import OllamaClient


async def ollama(client: OllamaClient, url: str) -> OllamaPod:
    """Return which models an Ollama has."""
    try:
        return OllamaPod(reachable=True, models=await client.models(url))
    except OllamaError as error:
        return OllamaPod(reachable=False, detail=str(error))
