"""The language model reads the prompt while Whisper works."""

import asyncio
from typing import Any

import pytest

from bridge.running import WAV, Bridge, StartBridge, form
from bridge.wire import all_events, types
from fakes.faults import HangUp, status
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.openai_chat import FakeOpenAIChat
from fakes.received import Received
from fakes.whisper import FakeAsrWebservice

pytestmark = pytest.mark.unit

Model = FakeOllama | FakeOpenAIChat
LONG_PROMPT = "word " * 1000


def is_warm_up(received: Received) -> bool:
    """Whether a request asks for one token only."""
    body = received.json if isinstance(received.json, dict) else {}
    return body.get("max_tokens") == 1 or (body.get("options") or {}).get("num_predict") == 1


@pytest.fixture(params=["ollama", "openai"])
async def model(request: pytest.FixtureRequest, ollama: FakeOllama, openai_chat: FakeOpenAIChat) -> Model:
    return ollama if request.param == "ollama" else openai_chat


@pytest.fixture
async def bridge(start_bridge: StartBridge, asr: FakeAsrWebservice, model: Model) -> Bridge:
    return await start_warm(start_bridge, asr, model)


async def start_warm(start_bridge: StartBridge, asr: FakeAsrWebservice, model: Model, **settings: Any) -> Bridge:
    generator = {"generator": "openai", "models": "smollm2"} if isinstance(model, FakeOpenAIChat) else {}
    upstreams = {"whisper_url": asr.url, "ollama_url": model.url, "prompt_prefill": True}
    return await start_bridge(**{**upstreams, **generator, **settings})


async def test_the_model_gets_the_prefix_while_whisper_works(
    bridge: Bridge, asr: FakeAsrWebservice, model: Model
) -> None:
    gate = asr.hold(Point.BEFORE_ANSWER)
    asking = asyncio.create_task(bridge.json(prompt="Summarise:"))
    await gate.reached()

    await model.until(lambda: any(received.finished for received in model.work))
    gate.release()
    _, answer = await asking

    warm_up, request = model.work
    assert is_warm_up(warm_up)
    assert not is_warm_up(request)
    assert request.json["messages"][0] == warm_up.json["messages"][0]
    assert request.json["messages"][1]["content"].startswith(warm_up.json["messages"][1]["content"])
    assert warm_up.headers["X-Request-ID"] == request.headers["X-Request-ID"]
    assert "error" not in answer


async def test_with_the_very_options_of_the_request(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_warm(start_bridge, asr, ollama, context_length=2048, keep_alive="30m")

    await bridge.json()

    warm_up, request = ollama.work
    assert len(ollama.loads) == 1  # other options would have loaded the model anew
    assert warm_up.json["options"]["num_ctx"] == request.json["options"]["num_ctx"] == 2048
    assert warm_up.json["keep_alive"] == request.json["keep_alive"] == "30m"
    assert (request.json["truncate"], request.json["shift"]) == (False, False)


async def test_a_prompt_that_was_read_lately_is_not_read_again(bridge: Bridge, model: Model) -> None:
    for _ in range(3):
        await bridge.json(prompt="Summarise:")
    await bridge.json(prompt="Translate:")

    assert [is_warm_up(received) for received in model.work] == [True, False, False, False, True, False]


async def test_a_model_at_work_is_not_disturbed(bridge: Bridge, asr: FakeAsrWebservice, model: Model) -> None:
    gate = model.hold(Point.BETWEEN_TOKENS)
    first = asyncio.create_task(bridge.json(prompt="Summarise:"))
    await gate.reached()

    whisper = asr.hold(Point.BEFORE_ANSWER)
    second = asyncio.create_task(bridge.json(prompt="Translate:"))
    await whisper.reached()
    whisper.release()
    gate.release()
    await asyncio.gather(first, second)

    warmed = [received.json["messages"][0]["content"] for received in model.work if is_warm_up(received)]
    assert len(warmed) == 1
    assert "Summarise:" in warmed[0]


@pytest.mark.parametrize("fault", [HangUp(), status(500), status(400, "no")])
async def test_a_warm_up_that_fails_fails_nothing_else(bridge: Bridge, model: Model, fault: Any) -> None:
    model.script(fault, only=is_warm_up)

    got, answer = await bridge.json(prompt=LONG_PROMPT)

    assert (got, "error" in answer) == (200, False)


async def test_a_prompt_longer_than_the_context_is_the_callers_fault(
    start_bridge: StartBridge, asr: FakeAsrWebservice
) -> None:
    for model in (FakeOllama(default_context=500), FakeOpenAIChat(context_length=500)):
        async with model:
            bridge = await start_warm(start_bridge, asr, model)

            got, answer = await bridge.json(prompt=LONG_PROMPT)

            assert (got, answer["code"], answer["param"]) == (400, "prompt_too_long", "prompt")
            assert len(model.work) == 1


async def test_as_events_too(start_bridge: StartBridge, asr: FakeAsrWebservice) -> None:
    async with FakeOllama(default_context=500) as model:
        bridge = await start_warm(start_bridge, asr, model)

        async with await bridge.process(prompt=LONG_PROMPT, stream="true") as response:
            assert (response.status, (await response.json())["code"]) == (400, "prompt_too_long")


async def test_prompt_and_transcript_longer_than_the_context_keep_the_transcription(
    start_bridge: StartBridge, asr: FakeAsrWebservice
) -> None:
    async with FakeOllama(default_context=45) as model:
        bridge = await start_warm(start_bridge, asr, model)

        got, answer = await bridge.json(prompt="Summarise:")

    assert (got, answer["error"]["code"]) == (200, "context_overflow")
    assert answer["transcription"]


async def test_an_older_ollama_that_cuts_the_prompt_off_gives_a_warning(
    start_bridge: StartBridge, asr: FakeAsrWebservice
) -> None:
    """It does not know `truncate`; that it evaluated a whole context's worth of tokens gives it away."""

    class OlderOllama(FakeOllama):
        async def answer(self, received: Received, fault: Any) -> Any:
            if isinstance(received.json, dict):
                received.json.pop("truncate", None)
                received.json.pop("shift", None)
            return await super().answer(received, fault)

    async with OlderOllama() as model:
        bridge = await start_bridge(whisper_url=asr.url, ollama_url=model.url, context_length=40)

        _, answer = await bridge.json(prompt="word " * 100)

    assert "context_overflow" in [warning["code"] for warning in answer["warnings"]]


async def test_a_long_prompts_check_holds_no_whisper_pod(bridge: Bridge, asr: FakeAsrWebservice, model: Model) -> None:
    gate = model.hold(Point.BEFORE_ANSWER)

    asking = asyncio.create_task(bridge.json(prompt=LONG_PROMPT))
    await gate.reached()
    await asr.until(lambda: bool(asr.work) and asr.work[0].finished is not None)
    await bridge.until(lambda: bridge.service.whisper.endpoints[0].outstanding == 0)
    assert not asking.done()
    gate.release()

    assert (await asking)[0] == 200


async def test_a_request_that_fails_takes_its_warm_up_with_it(
    bridge: Bridge, asr: FakeAsrWebservice, model: Model
) -> None:
    gate = model.hold(Point.BEFORE_ANSWER)
    whisper = asr.hold(Point.BEFORE_ANSWER)

    asking = asyncio.create_task(bridge.json(b"This is no audio.", prompt="Summarise:"))
    await gate.reached()
    await whisper.reached()
    whisper.release()
    got, _ = await asking

    assert got == 400
    await model.until(lambda: model.work[0].disconnected)


async def test_without_the_setting_nothing_is_warmed(
    start_bridge: StartBridge, asr: FakeAsrWebservice, model: Model
) -> None:
    bridge = await start_warm(start_bridge, asr, model, prompt_prefill=False)

    async with bridge.client.post("/process", data=form(WAV, stream="true")) as response:
        assert types(await all_events(response))[-1] == "response.done"

    assert len(model.work) == 1
