"""What is left on the volume of Ollama 0.17.4 of a model that the operator replaces: nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contract.conftest import or_missing
from contract.model_registry import ModelRegistry
from fakes.ollama_snapshots import ollama_pod
from speechlocal.ollama import serving
from speechoperator.kube.objects import Key
from speechoperator.ollama.client import OllamaClient
from speechoperator.ollama.pulls import Pulls
from speechoperator.ollama.turns import Turns
from speechoperator.plan.actions import StartPull
from speechoperator.plan.models import definitions
from speechoperator.telemetry.metrics import Metrics

pytestmark = pytest.mark.component

KEY = Key("team", "calls")
VOLUME = "pvc:calls-ollama"


@dataclass
class Volume:
    """An Ollama as in the operator's pods, and the pulls into its volume."""

    folder: Path
    url: str
    client: OllamaClient
    pulls: Pulls
    news: asyncio.Event

    async def pull(self, model: str, source: str, **more: Any) -> None:
        action = StartPull(ollama_pod()["metadata"]["name"], self.url, VOLUME, model, source, insecure=True, **more)
        self.pulls.start(KEY, [action])
        async with asyncio.timeout(60):
            while found := self.pulls.of(KEY):
                assert all(pull.stage == "Pulling" for pull in found.values()), found
                self.news.clear()
                await self.news.wait()

    async def tidy(self) -> None:
        """Remove what the plan removes as left over."""
        for name in definitions.leftovers(await self.client.models(self.url)):
            await self.client.delete(self.url, name)

    @property
    def blobs(self) -> set[str]:
        return {file.name for file in (self.folder / "blobs").iterdir()}


@pytest.fixture
async def registry() -> AsyncIterator[ModelRegistry]:
    async with ModelRegistry() as found:
        yield found


@pytest.fixture
async def volume(tmp_path: Path) -> AsyncIterator[Volume]:
    async with AsyncExitStack() as stack:
        with or_missing("Ollama"):
            url = await stack.enter_async_context(serving(tmp_path, environment={"OLLAMA_NOPRUNE": "1"}))
        client = await stack.enter_async_context(OllamaClient(timeout=10.0, stall_timeout=30.0))
        news = asyncio.Event()

        async def pulled(_: Key) -> None:
            return

        pulls = Pulls(client, Metrics(), lambda _: news.set(), pulled, Turns(8))
        yield Volume(tmp_path, url, client, pulls, news)
        await pulls.close()


async def test_a_refresh_frees_the_weights_before(volume: Volume, registry: ModelRegistry) -> None:
    await volume.pull(registry.model, registry.model)
    first = registry.weights
    assert first in volume.blobs

    registry.publish(1)
    await volume.pull(registry.model, registry.model, refresh=True)

    assert registry.weights in volume.blobs
    assert first not in volume.blobs


async def test_so_does_one_of_a_model_that_has_another_name(volume: Volume, registry: ModelRegistry) -> None:
    await volume.pull("tiny", registry.model)
    first = registry.weights
    await volume.pull("tiny", registry.model, refresh=True)
    assert first in volume.blobs, "nothing has changed"

    registry.publish(1)
    await volume.pull("tiny", registry.model, refresh=True)

    assert registry.weights in volume.blobs
    assert first not in volume.blobs


async def test_another_source_frees_the_weights_of_the_one_before(volume: Volume, registry: ModelRegistry) -> None:
    async with ModelRegistry() as other:
        other.publish(9)
        await volume.pull("tiny", registry.model)
        await volume.pull("tiny", other.model)
        await volume.tidy()

        models = await volume.client.models(volume.url)
        assert set(models) == {"tiny:latest", definitions.source_marker("tiny", other.model)}
        assert registry.weights not in volume.blobs
        assert other.weights in volume.blobs
