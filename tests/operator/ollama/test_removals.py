"""Removals of models in the background."""

import asyncio
from dataclasses import dataclass, field

import pytest

from fakes.faults import Answer
from fakes.ollama_models import Model
from fakes.ollama_pod import FakeOllamaPod, Volume
from speechoperator.kube.objects import Key
from speechoperator.ollama.client import OllamaClient
from speechoperator.ollama.removals import Removals
from speechoperator.plan.actions import RemoveModel
from speechoperator.telemetry.metrics import Metrics

pytestmark = pytest.mark.unit

KEY = Key("team", "p")


@dataclass
class Removed:
    """What `Removals` told."""

    told: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, key: Key) -> None:
        assert key == KEY
        self.told.set()


async def run(pod: FakeOllamaPod, *models: str) -> None:
    removed = Removed()
    async with OllamaClient(timeout=5, stall_timeout=5) as ollama:
        removals = Removals(ollama, Metrics(), removed)
        removals.start(KEY, [RemoveModel("p-ollama-0", pod.url, "pvc:p-ollama", model, "unused") for model in models])
        async with asyncio.timeout(10):
            await removed.told.wait()
        await removals.close()


def stored(*names: str) -> Volume:
    return Volume({name: Model(name) for name in names})


async def test_models_are_removed_and_the_pods_are_asked_again() -> None:
    async with FakeOllamaPod(volume=stored("a:latest", "b:latest", "c:latest")) as pod:
        await run(pod, "a:latest", "b:latest")

        assert list(pod.models) == ["c:latest"]


async def test_one_that_cannot_be_removed_does_not_keep_the_others() -> None:
    async with FakeOllamaPod(volume=stored("a:latest", "b:latest")) as pod:
        pod.script(Answer(500, b'{"error": "read-only file system"}'), only=lambda got: got.method == "DELETE")
        await run(pod, "a:latest", "b:latest")

        assert list(pod.models) == ["a:latest"]
