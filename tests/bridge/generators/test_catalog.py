"""Which models there are, and which a request gets."""

import asyncio

import pytest

from bridge.running import Bridge, StartBridge, lead_to
from fakes.faults import refusing_url
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.ollama_models import Model
from fakes.whisper import FakeAsrWebservice
from speechbridge.errors import Problem
from speechbridge.generators import catalog
from speechbridge.generators.catalog import ModelCatalog, missing_models
from speechbridge.model_list import ModelList, Models
from speechbridge.upstreams.failures import FailureKind, UpstreamError

pytestmark = pytest.mark.unit


class Upstream:
    """Has models; `asked` counts."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.asked = 0
        self.down = False

    async def __call__(self) -> tuple[str, ...]:
        self.asked += 1
        if self.down:
            raise UpstreamError(FailureKind.CONNECT, "not there")
        return self.names


def listing(*names: str) -> Models:
    """The list of models in the settings."""
    return Models(ModelList(names))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_models_from_the_settings_are_not_asked_for() -> None:
    upstream = Upstream("other")
    models = ModelCatalog(listing("one", "two"), upstream, Clock())

    assert await models.names() == ("one", "two")
    assert await models.choose(None) == "one"
    assert await models.choose("two") == "two"
    assert upstream.asked == 0


async def test_otherwise_the_upstream_is_asked_now_and_then() -> None:
    upstream, clock = Upstream("one"), Clock()
    models = ModelCatalog(listing(), upstream, clock)

    for _ in range(3):
        assert await models.choose(None) == "one"
    assert upstream.asked == 1
    upstream.names = ("two",)
    clock.now = catalog._LIST_TTL_S + 1

    assert await models.choose(None) == "one"  # the list is renewed meanwhile
    await asyncio.sleep(0)
    assert await models.choose(None) == "two"
    assert upstream.asked == 2


async def test_many_requests_ask_the_upstream_once() -> None:
    upstream = Upstream("one")
    models = ModelCatalog(listing(), upstream, Clock())

    chosen = await asyncio.gather(*(models.choose(None) for _ in range(5)))

    assert chosen == ["one"] * 5
    assert upstream.asked == 1


async def test_a_failed_list_is_not_requested_by_every_request() -> None:
    upstream, clock = Upstream("one"), Clock()
    upstream.down = True
    models = ModelCatalog(listing(), upstream, clock)

    for _ in range(3):
        assert await models.choose("any") == "any"
    assert upstream.asked == 1
    upstream.down = False
    clock.now = catalog._RETRY_S + 0.1

    assert await models.choose(None) == "one"


async def test_an_older_list_serves_while_the_upstream_is_down() -> None:
    upstream, clock = Upstream("one"), Clock()
    models = ModelCatalog(listing(), upstream, clock)
    await models.names()
    upstream.down = True

    for _ in range(3):
        clock.now += catalog._LIST_TTL_S + 1
        assert await models.choose(None) == "one"
        await asyncio.sleep(0)

    assert upstream.asked == 4


async def test_a_model_that_has_just_been_pulled_is_found() -> None:
    upstream, clock = Upstream("one"), Clock()
    models = ModelCatalog(listing(), upstream, clock)
    await models.names()
    upstream.names = ("two", "one")
    clock.now = catalog._RETRY_S + 0.1

    assert await models.choose("two") == "two"


async def test_a_speech_model_is_refused_with_a_reason() -> None:
    models = ModelCatalog(listing("one"), Upstream(), Clock(), {"whisper-1"})

    with pytest.raises(Problem) as refused:
        await models.choose("whisper-1")

    assert refused.value.code == "model_not_found"
    assert refused.value.detail == "'whisper-1' transcribes speech; language models available: one."


async def test_a_model_for_embeddings_is_not_the_default(start_bridge: StartBridge, asr: FakeAsrWebservice) -> None:
    names = ("nomic-embed-text:latest", "all-minilm:latest", "llama3:latest")
    async with FakeOllama(models=[Model(names[0]), Model(names[1], family="bert"), Model(names[2])]) as ollama:
        bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, models="")

        _, answer = await bridge.json()

    assert answer["model"] == "llama3:latest"


async def test_one_pod_that_does_not_respond_holds_nothing_up(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    port = int(ollama.url.rpartition(":")[2])
    async with FakeOllama().listen_on("127.0.0.2", port) as held:
        gate = held.hold(Point.BEFORE_ANSWER)
        bridge = await start_bridge(whisper_url=asr.url, ollama_url=f"http://localhost:{port}", models="")
        await lead_to(bridge.service.llm, "127.0.0.2", "127.0.0.1")

        assert await bridge.service.catalog.names() == ("smollm2:135m",)
        gate.release()


@pytest.mark.parametrize(
    ("name", "chosen"), [("llama3", "llama3:latest"), ("llama3:latest", "llama3:latest"), ("qwen3:4b", "qwen3:4b")]
)
async def test_a_name_without_a_tag_means_the_latest(name: str, chosen: str) -> None:
    models = ModelCatalog(listing(), Upstream("llama3:latest", "qwen3:4b"), Clock())

    assert await models.choose(name) == chosen


async def test_a_configured_name_without_a_tag_is_found_with_it() -> None:
    models = ModelCatalog(listing("llama3"), Upstream(), Clock())

    assert await models.choose("llama3:latest") == "llama3"


async def test_an_unknown_model_is_refused_and_the_known_ones_are_named() -> None:
    models = ModelCatalog(listing("one", "two"), Upstream(), Clock())

    with pytest.raises(Problem) as refused:
        await models.choose("three" + "!" * 1000)

    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    assert len(refused.value.detail) < 200
    assert "one, two" in refused.value.detail


async def test_without_an_upstream_to_ask_the_stage_that_needs_it_will_say_so() -> None:
    upstream = Upstream("one")
    upstream.down = True
    models = ModelCatalog(listing(), upstream, Clock())

    assert await models.choose("any") == "any"
    assert await models.choose(None) is None


def test_missing_are_those_that_are_not_there_with_or_without_a_tag() -> None:
    assert missing_models(("llama3", "qwen3:4b", "phi"), ("llama3:latest", "qwen3:4b")) == ["phi"]


async def test_the_list_has_the_default_first_and_whisper_last(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, models="two,one", whisper_model="medium")

    async with bridge.client.get("/v1/models") as response:
        listed = (await response.json())["data"]

    assert [(model["id"], model["kind"]) for model in listed] == [
        ("two", "chat"),
        ("one", "chat"),
        ("medium", "transcription"),
    ]


async def test_one_model_can_be_asked_for(bridge: Bridge) -> None:
    async with bridge.client.get("/v1/models/smollm2:135m") as known, bridge.client.get("/v1/models/gpt-9") as unknown:
        assert (await known.json())["id"] == "smollm2:135m"
        assert (unknown.status, (await unknown.json())["error"]["code"]) == (404, "model_not_found")


async def test_a_list_that_cannot_be_had_is_503(start_bridge: StartBridge, asr: FakeAsrWebservice) -> None:
    with refusing_url() as url:
        bridge = await start_bridge(whisper_url=asr.url, ollama_url=url, models="")
        async with bridge.client.get("/v1/models") as response:
            error = (await response.json())["error"]

    assert (response.status, error["code"]) == (503, "generator_unavailable")
