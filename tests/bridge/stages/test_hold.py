"""From zero: requests are held until a pod can be reached, within bounds, and streaming clients are told."""

import asyncio
from typing import Any

import pytest

from bridge.running import Bridge, StartBridge, form, lead_to
from bridge.wire import DEADLINE
from fakes.ollama import FakeOllama
from fakes.whisper import FakeAsrWebservice
from speechbridge.stages import hold
from speechbridge.upstreams.starts import Starts

pytestmark = pytest.mark.unit

CHAT = {"messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
async def from_zero(start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama) -> Bridge:
    """A bridge whose upstreams have no pods."""
    bridge = await start_bridge(
        whisper_url=asr.url, ollama_url=ollama.url, hold_timeout=2 * DEADLINE, queue_timeout=0.2, max_held_requests=3
    )
    await lead_to(bridge.service.whisper)
    await lead_to(bridge.service.llm)
    return bridge


async def start(bridge: Bridge, *pools: str) -> None:
    for name in pools:
        await lead_to(getattr(bridge.service, name), "127.0.0.1")


async def test_a_request_is_answered_by_the_pods_that_start(from_zero: Bridge) -> None:
    asking = asyncio.create_task(from_zero.json())
    await from_zero.until(lambda: from_zero.service.whisper.reachability.held == 1)

    await start(from_zero, "whisper")
    await from_zero.until(lambda: from_zero.service.llm.reachability.held == 1)
    await start(from_zero, "llm")

    status, answer = await asking
    assert (status, answer.get("error")) == (200, None)


async def test_a_chat_waits_for_the_language_model_alone(from_zero: Bridge) -> None:
    asking = asyncio.create_task(from_zero.client.post("/v1/chat/completions", json=CHAT))
    await from_zero.until(lambda: from_zero.service.llm.reachability.held == 1)
    assert from_zero.service.whisper.reachability.held == 0

    await start(from_zero, "llm")

    assert (await asking).status == 200


async def test_held_requests_occupy_no_slot_for_work(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(
        whisper_url=asr.url, ollama_url=ollama.url, hold_timeout=2 * DEADLINE, max_concurrent_requests=1
    )
    await lead_to(bridge.service.whisper)
    held = asyncio.create_task(bridge.json())
    await bridge.until(lambda: bridge.service.whisper.reachability.held == 1)

    async with bridge.client.post("/v1/chat/completions", json=CHAT) as response:
        assert response.status == 200

    await start(bridge, "whisper")
    assert (await held)[0] == 200


async def test_beyond_the_limit_a_request_is_rejected_and_told_how_far_the_start_is(from_zero: Bridge) -> None:
    held = [asyncio.create_task(from_zero.json()) for _ in range(3)]
    await from_zero.until(lambda: from_zero.service.whisper.reachability.held == 3)

    async with await from_zero.process() as response:
        answer = await response.json()

    assert (response.status, answer["code"]) == (503, "transcriber_unavailable")
    assert response.headers["Retry-After"] == "5"
    assert answer["loading"]["stage"] == "no_pods"
    assert "eta_seconds" not in answer["loading"], "unknown before the first start"
    await start(from_zero, "whisper", "llm")
    assert [status for status, _ in await asyncio.gather(*held)] == [200, 200, 200]


async def test_after_one_start_the_time_until_the_next_is_known(from_zero: Bridge) -> None:
    pool = from_zero.service.whisper
    pool.reachability._starts = Starts(began=pool.time() - 100.0)
    await start(from_zero, "whisper")
    assert pool.reachability.remaining() is None

    await lead_to(pool)
    pool.reachability.wanted()

    assert pool.reachability.remaining() == pytest.approx(100.0, abs=DEADLINE)


async def test_a_request_is_not_held_for_ever(start_bridge: StartBridge, asr: FakeAsrWebservice) -> None:
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=asr.url, hold_timeout=0.05)
    await lead_to(bridge.service.whisper)

    status, answer = await bridge.json()

    assert (status, answer["code"]) == (503, "transcriber_unavailable")
    assert bridge.service.load.document()["held"] == 1, "its retry finds a pod"


async def test_being_held_does_not_use_up_the_time_for_busy_pods(
    from_zero: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QUEUE_TIMEOUT is 0.2 s here; the pod accepts one request at a time."""
    monkeypatch.setattr(hold, "_CHECK_S", 0.01)
    asking = asyncio.create_task(from_zero.json())
    await from_zero.until(lambda: from_zero.service.whisper.reachability.held == 1)
    began = from_zero.service.whisper.time()
    await from_zero.until(lambda: from_zero.service.whisper.time() - began > 0.3)

    await start(from_zero, "whisper", "llm")

    assert (await asking)[0] == 200


async def test_the_demand_of_a_client_that_leaves_remains(from_zero: Bridge) -> None:
    asking = asyncio.create_task(from_zero.json())
    await from_zero.until(lambda: from_zero.service.whisper.reachability.held == 1)

    asking.cancel()
    await from_zero.until(lambda: from_zero.service.whisper.reachability.held == 0)

    assert from_zero.service.load.document()["held"] == 1
    await start(from_zero, "whisper")
    assert from_zero.service.load.document()["held"] == 0


async def events(bridge: Bridge, path: str, **request: Any) -> list[str]:
    """The stream of a request that is held until it has been told of the start."""
    lines: list[str] = []
    async with asyncio.timeout(DEADLINE), bridge.client.post(path, **request) as response:
        async for line in response.content:
            lines.append(line.decode().rstrip())
            if "starting" in lines[-1]:
                await start(bridge, "whisper", "llm")
    return lines


@pytest.fixture
def told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "_TELL_AFTER_S", 0.0)
    monkeypatch.setattr(hold, "_CHECK_S", 0.01)


@pytest.mark.usefixtures("told_soon")
async def test_a_stream_of_process_says_that_the_service_starts(from_zero: Bridge) -> None:
    lines = await events(from_zero, "/process", data=form(b"", stream="true"))

    assert lines[0] == "event: status"
    assert lines[1].startswith(
        'data: {"status":"starting","stage":"transcribe","loading":{"stage":"no_pods","since_seconds":'
    )
    assert "event: response.done" in lines


@pytest.mark.usefixtures("told_soon")
async def test_streams_of_openais_api_say_so_in_a_comment(from_zero: Bridge) -> None:
    lines = await events(from_zero, "/v1/chat/completions", json={**CHAT, "stream": True})

    assert lines[0] == ": starting: no_pods"
    assert lines[-2] == "data: [DONE]"
