"""When an Ollama pod has loaded its model."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from bridge.wire import DEADLINE
from fakes.faults import refusing_url
from fakes.ollama import FakeOllama
from fakes.openai_chat import FakeOpenAIChat
from speechbridge.generators import warmth
from speechbridge.generators.warmth import until_warm
from speechbridge.model_list import ModelList, Models, ModelSettings
from speechbridge.upstreams.discovery import origin_of
from speechbridge.upstreams.endpoint import Endpoint

pytestmark = pytest.mark.unit

LLAMA = Models(ModelList(("Llama3", "qwen3:4b"), {}))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmth, "_INTERVAL_S", 0.01)


@pytest.fixture
async def pod() -> AsyncIterator[FakeOllama]:
    async with FakeOllama(models=("llama3:latest", "qwen3:4b")) as fake:
        yield fake


def endpoint(url: str) -> Endpoint:
    return Endpoint(origin_of(url), "127.0.0.1", slots=None, connect_timeout=1.0, keepalive=4.0)


async def load(pod: FakeOllama, model: str) -> None:
    """As the operator does: a request without a prompt."""
    async with aiohttp.ClientSession() as client, client.post(f"{pod.url}/api/generate", json={"model": model}) as done:
        assert done.status == 200


async def asked(pod: FakeOllama, times: int) -> None:
    """Wait until it has been asked so many times more."""
    before = len(pod.requests)
    await pod.until(lambda: len(pod.requests) >= before + times)


async def test_a_pod_is_warm_once_its_default_model_is_loaded(pod: FakeOllama) -> None:
    waiting = asyncio.create_task(until_warm(endpoint(pod.url), LLAMA))
    await asked(pod, 3)
    await load(pod, "qwen3:4b")
    await asked(pod, 3)
    assert not waiting.done()

    await load(pod, "llama3:latest")

    async with asyncio.timeout(DEADLINE):
        await waiting


async def test_a_model_that_is_being_loaded_is_not_there_yet(pod: FakeOllama) -> None:
    """Ollama lists it all the same."""
    pod.loading = True
    await load(pod, "llama3:latest")
    waiting = asyncio.create_task(until_warm(endpoint(pod.url), LLAMA))
    await asked(pod, 5)
    assert not waiting.done()

    pod.loading = False

    async with asyncio.timeout(DEADLINE):
        await waiting


async def test_a_model_that_is_gone_again_has_been_loaded(pod: FakeOllama) -> None:
    """With a short `keepAlive` it never is in two answers without still being loaded."""
    pod.loading = True
    await load(pod, "llama3:latest")
    waiting = asyncio.create_task(until_warm(endpoint(pod.url), LLAMA))
    await asked(pod, 3)
    assert not waiting.done()

    pod._loaded.clear()

    async with asyncio.timeout(DEADLINE):
        await waiting


async def test_a_pod_that_loads_nothing_is_not_being_warmed_up(
    pod: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmth, "_IDLE_S", 0.05)

    async with asyncio.timeout(DEADLINE):
        await until_warm(endpoint(pod.url), LLAMA)


async def test_a_pod_that_loads_other_models_first_is_being_warmed_up(
    pod: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    await load(pod, "qwen3:4b")
    monkeypatch.setattr(warmth, "_IDLE_S", 0.0)
    waiting = asyncio.create_task(until_warm(endpoint(pod.url), LLAMA))
    await asked(pod, 5)

    assert not waiting.done()
    waiting.cancel()


@pytest.mark.parametrize("keep_alive", ["0", "1", "5s", "500ms", "1.5s", "0h0m3s"])
async def test_models_that_do_not_stay_in_memory_are_not_waited_for(pod: FakeOllama, keep_alive: str) -> None:
    own = Models(ModelList(("llama3",), {"llama3": ModelSettings(keep_alive=keep_alive)}))

    async with asyncio.timeout(DEADLINE):
        await until_warm(endpoint(pod.url), LLAMA, keep_alive)
        await until_warm(endpoint(pod.url), own, "1h")

    assert not pod.requests


@pytest.mark.parametrize("keep_alive", ["", "-1", "-1s", "30", "5m", "1h0m5s", "never"])
async def test_models_that_stay_in_memory_are_waited_for(pod: FakeOllama, keep_alive: str) -> None:
    waiting = asyncio.create_task(until_warm(endpoint(pod.url), LLAMA, keep_alive))
    await asked(pod, 3)

    assert not waiting.done()
    waiting.cancel()


async def test_without_a_list_of_models_any_will_do(pod: FakeOllama) -> None:
    await load(pod, "qwen3:4b")

    async with asyncio.timeout(DEADLINE):
        await until_warm(endpoint(pod.url), Models(ModelList((), {})))


async def test_a_server_that_does_not_say_counts_as_warm() -> None:
    async with FakeOpenAIChat() as server, asyncio.timeout(DEADLINE):
        await until_warm(endpoint(server.url), LLAMA)


async def test_a_pod_that_does_not_respond_is_asked_again() -> None:
    with refusing_url() as url:
        waiting = asyncio.create_task(until_warm(endpoint(url), LLAMA))
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        waiting.cancel()

    assert not done
