"""Which models there are, and which a request gets."""

import pytest

from bridge.running import Bridge, StartBridge
from fakes.faults import refusing_url
from fakes.ollama import FakeOllama
from fakes.whisper import FakeAsrWebservice
from speechbridge.errors import Problem
from speechbridge.generators import catalog
from speechbridge.generators.catalog import ModelCatalog, missing_models
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


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_models_from_the_settings_are_not_asked_for() -> None:
    upstream = Upstream("other")
    models = ModelCatalog(("one", "two"), upstream, Clock())

    assert await models.names() == ("one", "two")
    assert await models.choose(None) == "one"
    assert await models.choose("two") == "two"
    assert upstream.asked == 0


async def test_otherwise_the_upstream_is_asked_now_and_then() -> None:
    upstream, clock = Upstream("one"), Clock()
    models = ModelCatalog((), upstream, clock)

    for _ in range(3):
        assert await models.choose(None) == "one"
    assert upstream.asked == 1
    upstream.names = ("two",)
    clock.now = catalog._LIST_TTL_S + 1

    assert await models.choose(None) == "two"


@pytest.mark.parametrize(
    ("name", "chosen"), [("llama3", "llama3:latest"), ("llama3:latest", "llama3:latest"), ("qwen3:4b", "qwen3:4b")]
)
async def test_a_name_without_a_tag_means_the_latest(name: str, chosen: str) -> None:
    models = ModelCatalog((), Upstream("llama3:latest", "qwen3:4b"), Clock())

    assert await models.choose(name) == chosen


async def test_a_configured_name_without_a_tag_is_found_with_it() -> None:
    models = ModelCatalog(("llama3",), Upstream(), Clock())

    assert await models.choose("llama3:latest") == "llama3"


async def test_an_unknown_model_is_refused_and_the_known_ones_are_named() -> None:
    models = ModelCatalog(("one", "two"), Upstream(), Clock())

    with pytest.raises(Problem) as refused:
        await models.choose("three")

    assert (refused.value.code, refused.value.param) == ("unknown_model", "model")
    assert "one, two" in refused.value.detail


async def test_without_an_upstream_to_ask_the_stage_that_needs_it_will_say_so() -> None:
    upstream = Upstream("one")
    upstream.down = True
    models = ModelCatalog((), upstream, Clock())

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
        assert (unknown.status, (await unknown.json())["error"]["code"]) == (404, "unknown_model")


async def test_a_list_that_cannot_be_had_is_503(start_bridge: StartBridge, asr: FakeAsrWebservice) -> None:
    with refusing_url() as url:
        bridge = await start_bridge(whisper_url=asr.url, ollama_url=url, models="")
        async with bridge.client.get("/v1/models") as response:
            error = (await response.json())["error"]

    assert (response.status, error["code"]) == (503, "generator_unavailable")
