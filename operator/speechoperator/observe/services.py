"""What is polled, since no watch reports on it; among it, the models of the operator's own Ollama pods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechoperator.errors import OllamaError
from speechoperator.plan.snapshot import Memory, OllamaPod

if TYPE_CHECKING:
    from speechoperator.canary.runs import Canaries
    from speechoperator.kube.client import KubeClient
    from speechoperator.observe.external import ExternalServices
    from speechoperator.observe.load_feed import LoadFeed
    from speechoperator.ollama.client import OllamaClient


@dataclass(frozen=True, slots=True)
class Sources:
    """What is polled.

    Attributes:
        api: The API server, for objects that are not watched.
        ollama: The client of the operator's own Ollama pods.
        external: The services behind a `url` of a spec.
        canaries: The canary requests.
        loads: The load of bridges and Whisper pods, which is followed rather than polled.
    """

    api: KubeClient
    ollama: OllamaClient
    external: ExternalServices
    canaries: Canaries
    loads: LoadFeed


async def ollama(client: OllamaClient, url: str) -> OllamaPod:
    """Return which models an Ollama has, and which of them are in memory; a failure is a result, too."""
    try:
        listed = await client.listed(url)
    except OllamaError as error:
        return OllamaPod(reachable=False, detail=str(error))
    try:
        running = await client.running(url)
    except OllamaError:  # another image than Ollama's may lack it; what is in memory is only reported
        running = ()
    return OllamaPod(
        reachable=True,
        models={model.name: model.digest or "" for model in listed},
        sizes={model.name: model.size or 0 for model in listed},
        loaded={model.name: Memory(model.size or 0, model.size_vram or 0) for model in running},
    )
