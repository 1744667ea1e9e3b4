"""The language model reads the prompt while Whisper works."""

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from bridge.running import WAV, Bridge, StartBridge, form
from bridge.wire import CLOSING, Connection, all_events, head, part, types
from fakes.faults import HangUp, status
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.openai_chat import FakeOpenAIChat
from fakes.received import Received
from fakes.whisper import FakeAsrWebservice
from speechbridge.generators.openai_chat import OpenAIChat
from speechbridge.generators.options import GenerationOptions
from speechbridge.stages import prefill as prefill_module
from speechbridge.stages.prefill import Prefill, key_of

if TYPE_CHECKING:
    from speechbridge.upstreams.endpoint import Endpoint
    from speechbridge.upstreams.pool import Pool

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


@pytest.mark.parametrize("prefill", [True, False])
async def test_a_prompt_longer_than_the_context_keeps_the_transcription(
    start_bridge: StartBridge,
    asr: FakeAsrWebservice,
    prefill: bool,  # noqa: FBT001 - a case
) -> None:
    for model in (FakeOllama(default_context=500), FakeOpenAIChat(context_length=500)):
        async with model:
            bridge = await start_warm(start_bridge, asr, model, prompt_prefill=prefill)

            got, answer = await bridge.json(prompt=LONG_PROMPT)

            assert (got, answer["error"]["code"]) == (200, "context_length_exceeded")
            assert answer["transcription"] == asr.transcript.text.strip()


async def test_a_stream_with_too_long_a_prompt_reports_the_stage_that_failed(
    start_bridge: StartBridge, asr: FakeAsrWebservice
) -> None:
    async with FakeOllama(default_context=500) as model:
        bridge = await start_warm(start_bridge, asr, model)

        async with await bridge.process(prompt=LONG_PROMPT, stream="true") as response:
            told = await all_events(response)

    assert types(told) == ["transcript.done", "error", "response.done"]
    assert (told[1].data["code"], told[1].data["stage"]) == ("context_length_exceeded", "generate")


async def test_a_prompt_after_a_large_file_is_not_replaced_by_the_default_one(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    large = {"stream_start_bytes": 1000, "stream_min_rate": 1, "slot_idle_timeout": 5.0}
    bridge = await start_warm(start_bridge, asr, ollama, **large)
    file, field = part("file", WAV, filename="a.wav"), part("prompt", "Summarise:") + CLOSING

    async with Connection.to(bridge.url) as connection:
        await connection.send(head("/process", length=len(file) + len(field)), file)
        await asr.until(lambda: bool(asr.work))
        await connection.send(field)
        reply = await connection.reply()

    assert reply.status == 200
    (request,) = ollama.work
    assert "Summarise:" in request.json["messages"][0]["content"]


def test_prompts_are_remembered_as_digests_for_a_minute() -> None:
    now = 0.0
    prefill = Prefill(OpenAIChat(), cast("Pool", None), lambda: now)
    pod = cast("Endpoint", object())
    keys = [
        key_of("llama3", f"Summarise {number}:", GenerationOptions())
        for number in range(prefill_module._MAX_CACHED + 2)
    ]

    for key in keys:
        prefill.record(key, pod)

    assert {len(key) for key in keys} == {32}
    assert [prefill.endpoint(key) for key in (keys[0], keys[1], keys[2], keys[-1])] == [None, None, pod, pod]
    now = prefill_module._CACHED_FOR_S - 1
    prefill.record(keys[-1], pod)
    now = prefill_module._CACHED_FOR_S + 1
    assert [prefill.endpoint(key) for key in (keys[-2], keys[-1])] == [None, pod]


async def test_prompt_and_transcript_longer_than_the_context_keep_the_transcription(
    start_bridge: StartBridge, asr: FakeAsrWebservice
) -> None:
    async with FakeOllama(default_context=45) as model:
        bridge = await start_warm(start_bridge, asr, model)

        got, answer = await bridge.json(prompt="Summarise:")

    assert (got, answer["error"]["code"]) == (200, "context_length_exceeded")
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

    assert "context_length_exceeded" in [warning["code"] for warning in answer["warnings"]]


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
