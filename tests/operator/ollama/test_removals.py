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
from speechoperator.ollama.turns import Turns
from speechoperator.plan.actions import RemoveModel
from speechoperator.plan.models.definitions import source_marker
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
        removals = Removals(ollama, Metrics(), removed, Turns(8), lambda _: None)
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


async def test_nothing_is_removed_while_another_pipeline_pulls_into_the_volume() -> None:
    """Ollama deletes the layers that no model has, and so those of a pull that runs."""
    turns, told, removed = Turns(8), [], Removed()
    other = Key("team", "other")
    async with FakeOllamaPod(volume=stored("a:latest")) as pod, OllamaClient(timeout=5, stall_timeout=5) as ollama:
        removals = Removals(ollama, Metrics(), removed, turns, told.append)
        action = RemoveModel("p-ollama-0", pod.url, "pvc:shared", "a:latest", "unused")
        turns.begin(other, ("pvc:shared", "llama3"))
        removals.start(KEY, [action])
        await asyncio.sleep(0)
        assert list(pod.models) == ["a:latest"]
        assert not removed.told.is_set()

        assert turns.end(other, ("pvc:shared", "llama3")) == (KEY,), "it tries again"
        removals.start(KEY, [action])
        async with asyncio.timeout(10):
            await removed.told.wait()

        assert list(pod.models) == []
        await removals.close()


async def test_a_leftover_that_is_a_marker_again_stays() -> None:
    """It was planned from a list that is older than the pull of another pipeline."""
    marker, outdated = (source_marker("llama3", f"b/other:{tag}") for tag in ("v9", "v8"))
    turns, told, removed = Turns(8), [], Removed()
    other, pull = Key("team", "other"), ("pvc:shared", "llama3")
    volume = Volume({marker: Model(marker), outdated: Model(outdated, digest="old")})
    async with FakeOllamaPod(volume=volume) as pod, OllamaClient(timeout=5, stall_timeout=5) as ollama:
        removals = Removals(ollama, Metrics(), removed, turns, told.append)
        actions = [
            RemoveModel("p-ollama-0", pod.url, "pvc:shared", name, "it was replaced", leftover=True)
            for name in (marker, outdated)
        ]
        turns.begin(other, pull)
        removals.start(KEY, actions)
        await asyncio.sleep(0)
        volume.models["llama3:latest"] = Model("llama3:latest")
        assert turns.end(other, pull) == (KEY,), "it tries again, and knows nothing yet of the new model"
        removals.start(KEY, actions)
        async with asyncio.timeout(10):
            await removed.told.wait()

        assert pod.models.keys() == {"llama3:latest", marker}
        await removals.close()


async def test_a_pull_waits_until_the_removals_from_its_volume_have_ended() -> None:
    turns, told, removed = Turns(8), [], Removed()
    other, pull = Key("team", "other"), ("pvc:shared", "llama3")
    async with FakeOllamaPod(volume=stored("a:latest")) as pod, OllamaClient(timeout=5, stall_timeout=5) as ollama:
        removals = Removals(ollama, Metrics(), removed, turns, told.append)
        removals.start(KEY, [RemoveModel("p-ollama-0", pod.url, "pvc:shared", "a:latest", "unused")])
        await asyncio.sleep(0)
        assert not turns.begin(other, pull)
        assert turns.waiting(other) == {pull: "waiting for the volume: models are removed from it"}
        async with asyncio.timeout(10):
            await removed.told.wait()

        assert told == [other], "it tries again"
        assert turns.begin(other, pull)
        await removals.close()
