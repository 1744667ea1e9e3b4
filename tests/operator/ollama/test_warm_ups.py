"""Loads of models in the background, against an Ollama that loads as the real one does."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from fakes.faults import Answer
from fakes.gates import Point
from fakes.ollama import Load
from fakes.ollama_models import Model
from fakes.ollama_pod import FakeOllamaPod, Volume
from fakes.received import Received
from speechoperator.kube.objects import Key
from speechoperator.ollama.client import OllamaClient
from speechoperator.ollama.warm_ups import WarmUps
from speechoperator.plan.actions import StartWarmUp
from speechoperator.plan.snapshot import Memory, WarmUp
from speechoperator.telemetry.metrics import Metrics

pytestmark = pytest.mark.unit

KEY = Key("team", "p")
POD = "p-ollama-0"
OPTIONS = {"options": {"num_ctx": 8192}, "keep_alive": -1}
TOO_BIG = b'{"error": "model requires more system memory (5.6 GiB) than is available (3.2 GiB)"}'


@dataclass
class Bench:
    """Warm-ups and what they told."""

    pod: FakeOllamaPod
    ollama: OllamaClient
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.warm_ups = WarmUps(self.ollama, self.metrics, self._changed, lambda: 0.0)
        self._event = asyncio.Event()

    def start(self, *models: str, key: str = "0-a", continued: bool = False) -> None:
        loads = tuple((model, OPTIONS) for model in models or ("llama3",))
        self.warm_ups.start(KEY, [StartWarmUp(POD, self.pod.url, key, loads, continued=continued)])

    @property
    def warm_up(self) -> WarmUp | None:
        return self.warm_ups.of(KEY, [POD]).get(POD)

    async def ended(self) -> WarmUp:
        """Wait until the warm-up has ended."""
        async with asyncio.timeout(10):
            while self.warm_up is None or self.warm_up.stage == "Loading":
                self._event.clear()
                await self._event.wait()
        return self.warm_up

    def _changed(self, key: Key) -> None:
        assert key == KEY
        self._event.set()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    volume = Volume({name: Model(name) for name in ("llama3:latest", "mistral:latest")})
    async with FakeOllamaPod(volume=volume) as pod, OllamaClient(timeout=5, stall_timeout=5) as ollama:
        bench = Bench(pod, ollama)
        yield bench
        await bench.warm_ups.close()


def is_load(received: Received) -> bool:
    return received.path == "/api/chat"


async def test_models_are_loaded_in_order_with_the_options_of_requests(bench: Bench) -> None:
    bench.start("mistral", "llama3")

    found = await bench.ended()

    assert bench.pod.loads == [Load("mistral:latest", {"num_ctx": 8192}), Load("llama3:latest", {"num_ctx": 8192})]
    assert [request.json["keep_alive"] for request in bench.pod.requests if is_load(request)] == [-1, -1]
    assert (found.stage, found.key, found.evicted) == ("Loaded", "0-a", ())
    assert found.memory["llama3:latest"] == Memory(148_000_000, 0)


async def test_the_next_request_does_not_load_again(bench: Bench) -> None:
    bench.start()
    await bench.ended()

    await bench.ollama.load(bench.pod.url, "llama3", OPTIONS)

    assert len(bench.pod.loads) == 1


async def test_models_that_are_unloaded_to_load_others_are_evicted(bench: Bench) -> None:
    bench.pod.fits = 1
    bench.start("mistral", "llama3")

    assert (await bench.ended()).evicted == ("mistral:latest",)


async def test_a_model_that_cannot_chat_is_left_alone(bench: Bench) -> None:
    """One for embeddings."""
    bench.pod.script(Answer(400, b'{"error": "\\"nomic-embed-text\\" does not support chat"}'), only=is_load)
    bench.start()

    assert (await bench.ended()).stage == "Loaded"


async def test_a_failure_has_the_words_of_ollama_and_a_time_for_the_next_try(bench: Bench) -> None:
    bench.pod.script(Answer(500, TOO_BIG), Answer(500, TOO_BIG), only=is_load)
    for attempts in (1, 2):
        bench.start()
        found = await bench.ended()
        assert (found.stage, found.model, found.attempts) == ("Failed", "llama3", attempts)
        assert found.error.startswith("model requires more system memory")
        assert found.retry_at is not None
        assert found.stage == "Failed"
    bench.start()
    running = bench.warm_up
    assert running is not None
    assert (running.stage, running.attempts) == ("Loading", 2), "it counts as failed until it has succeeded"

    assert (await bench.ended()).attempts == 0


async def test_a_warm_up_in_progress_is_not_started_again(bench: Bench) -> None:
    bench.start()
    bench.start()
    await bench.ended()

    assert len([request for request in bench.pod.requests if is_load(request)]) == 1


async def test_one_that_is_to_continue_is_neither_stopped_nor_started_again(bench: Bench) -> None:
    bench.start()
    bench.start(continued=True)
    assert (await bench.ended()).stage == "Loaded"
    bench.start(continued=True)

    assert bench.warm_up is not None
    assert bench.warm_up.stage == "Loaded"
    assert len([request for request in bench.pod.requests if is_load(request)]) == 1


async def test_one_with_outdated_options_is_replaced(bench: Bench) -> None:
    bench.start("mistral", key="0-a")
    bench.start("llama3", key="0-b")

    assert (await bench.ended()).key == "0-b"


async def test_one_that_is_no_longer_wanted_stops(bench: Bench) -> None:
    bench.start()
    bench.warm_ups.start(KEY, [])

    assert bench.warm_up is None


async def test_one_of_a_pod_that_is_gone_is_forgotten(bench: Bench) -> None:
    bench.start()
    await bench.ended()

    assert not bench.warm_ups.of(KEY, ["another"])
    assert bench.warm_up is None


async def test_all_of_a_pipeline_that_goes_stop(bench: Bench) -> None:
    gate = bench.pod.hold(Point.AFTER_UPLOAD)
    bench.start()
    await gate.reached()

    bench.warm_ups.forget(KEY)

    assert bench.warm_up is None
    gate.release()
