"""`GET /load`: where the requests of a bridge are, once and as events."""

import asyncio
import base64
import ipaddress
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bridge.running import WAV, Bridge, StartBridge, form, lead_to
from bridge.wire import DEADLINE, Connection, head, part
from fakes.faults import refusing_url
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.whisper import FakeAsrWebservice
from speechbridge.admission.retry_after import Backlog
from speechbridge.api import load as load_module
from speechbridge.model_list import ModelList, Models
from speechbridge.stages.demand import Demand
from speechbridge.stages.load import MAX_FOLLOWERS, MAX_PODS, Load, pod_id

pytestmark = pytest.mark.unit

FOLLOW = {"Accept": "text/event-stream"}
LOOPBACK = pod_id("127.0.0.1")
IDLE = {
    "held": 0,
    "waiting": 0,
    "working": 0,
    "audio_seconds_held": 0.0,
    "audio_seconds_waiting": 0.0,
    "audio_seconds_working": 0.0,
    "audio_seconds_per_second": 0.0,
    "oldest_wait_seconds": 0.0,
    "pods": {},
    "ollama": {"held": 0, "waiting": 0, "working": 0, "coming": 0, "pods": {}},
    "models_revision": "",
}


async def load(bridge: Bridge) -> dict[str, Any]:
    async with bridge.client.get("/load") as response:
        assert response.status == 200
        found: dict[str, Any] = await response.json()
    return found


async def reaches(bridge: Bridge, **numbers: object) -> dict[str, Any]:
    """Wait until the load has these members; return it."""
    async with asyncio.timeout(DEADLINE):
        while not numbers.items() <= (now := await load(bridge)).items():  # noqa: ASYNC110 - it has no event for that
            await asyncio.sleep(0)
    return now


async def next_event(stream: aiohttp.ClientResponse) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE):
        while not (line := await stream.content.readline()).startswith(b"data: "):
            pass
    found: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
    return found


async def test_without_requests_everything_is_zero(bridge: Bridge) -> None:
    assert await load(bridge) == IDLE


async def test_a_request_in_the_queue_of_a_pod_waits_and_one_that_is_decoded_is_in_work(
    start_bridge: StartBridge, ollama: FakeOllama
) -> None:
    async with FakeSpeechWhisper() as whisper:
        bridge = await start_bridge(whisper_url=whisper.url, ollama_url=ollama.url, transcriber="openai")
        await bridge.until(lambda: bridge.service.whisper.endpoints[0].reports_load)
        gate = whisper.hold(Point.BEFORE_ANSWER)
        requests = [asyncio.create_task(bridge.json()) for _ in range(2)]

        seen = await reaches(bridge, held=0, waiting=1, working=1)

        assert seen["audio_seconds_waiting"] == seen["audio_seconds_working"] == pytest.approx(1.0, abs=0.1)
        gate.release()
        await asyncio.gather(*requests)
    assert (await load(bridge))["working"] == 0


async def test_a_request_that_no_pod_accepts_is_held(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    gate = asr.hold(Point.BEFORE_ANSWER)
    requests = [asyncio.create_task(bridge.json()) for _ in range(3)]

    seen = await reaches(bridge, held=2, waiting=0, working=1)

    assert seen["audio_seconds_held"] == seen["audio_seconds_waiting"] == pytest.approx(2.0, abs=0.1)
    gate.release()
    await asyncio.gather(*requests)


async def test_a_request_that_waits_for_admission_is_held_by_the_stage_it_begins_with(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, max_concurrent_requests=1)
    gate = ollama.hold(Point.BEFORE_ANSWER)
    chat = {"messages": [{"role": "user", "content": "Hello"}]}
    requests = [asyncio.create_task(bridge.client.post("/v1/chat/completions", json=chat)) for _ in range(2)]
    one = {"held": 1, "waiting": 0, "working": 1, "pods": {LOOPBACK: 1}}
    await reaches(bridge, held=0, ollama={**one, "coming": 0})

    requests.append(asyncio.create_task(bridge.process()))

    await reaches(bridge, held=1, ollama={**one, "coming": 1})
    gate.release()
    assert [response.status for response in await asyncio.gather(*requests)] == [200, 200, 200]


async def test_the_requests_of_each_pod_are_known_by_its_hashed_address(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    """Of pods that report nothing, the operator knows from this which are idle."""
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url)
    decoding, answering = asr.hold(Point.BEFORE_ANSWER), ollama.hold(Point.BEFORE_ANSWER)
    requests = [asyncio.create_task(bridge.json()) for _ in range(2)]
    await reaches(bridge, held=1, pods={LOOPBACK: 1}, ollama={**IDLE["ollama"], "coming": 2})

    decoding.release()

    answered = {**IDLE["ollama"], "working": 2, "pods": {LOOPBACK: 2}}
    await reaches(bridge, working=0, pods={}, ollama=answered)
    answering.release()
    await asyncio.gather(*requests)
    assert await load(bridge) == IDLE | {"audio_seconds_per_second": (await load(bridge))["audio_seconds_per_second"]}


def test_only_the_pods_with_most_requests_are_named() -> None:
    """The operator reads events of at most 8 KiB."""
    sent = {f"2001:db8:ffff:ffff:ffff:ffff:ffff:{number:04x}": number for number in range(1, 1001)}
    demand, models = Demand(lambda: 0.0, lambda: True), Models(ModelList(("llama3",), {}))

    document = Load(demand, demand, Backlog(), models, (lambda: sent, lambda: sent)).document()

    assert list(document["pods"].values()) == list(range(1000, 1000 - MAX_PODS, -1))
    assert document["pods"] == document["ollama"]["pods"]
    assert len(json.dumps(document)) < 8192


def texts_in(document: object) -> list[str]:
    if isinstance(document, dict):
        return [text for item in document.items() for text in texts_in(item)]
    if isinstance(document, list | tuple):
        return [text for item in document for text in texts_in(item)]
    return [document] if isinstance(document, str) else []


def test_no_address_of_a_pod_is_told() -> None:
    """`/load` needs no key, and an Ingress or Gateway forwards it."""
    sent = {"10.0.3.17": 1, "2001:db8::1": 2, "203.0.113.9": 3}
    demand, models = Demand(lambda: 0.0, lambda: True), Models(ModelList(("llama3",), {}))

    texts = texts_in(Load(demand, demand, Backlog(), models, (lambda: sent, lambda: sent)).document())

    assert len([text for text in texts if len(text) == 12 and int(text, 16)]) == 6
    for text in texts:
        with pytest.raises(ValueError, match="does not appear to be"):
            ipaddress.ip_address(text)


async def test_a_prefill_is_no_demand(start_bridge: StartBridge, asr: FakeAsrWebservice) -> None:
    with refusing_url() as url:
        bridge = await start_bridge(whisper_url=asr.url, ollama_url=url, prompt_prefill=True)
        await lead_to(bridge.service.llm)
        gate = asr.hold(Point.BEFORE_ANSWER)
        request = asyncio.create_task(bridge.json())

        assert (await reaches(bridge, working=1))["ollama"] == {**IDLE["ollama"], "coming": 1}

        gate.release()
        await request


RECORDING = {"type": "input_audio", "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"}}
AUDIO = {"Content-Type": "audio/wav"}
CHAT = {"messages": [{"role": "user", "content": [RECORDING]}]}


@pytest.mark.parametrize(
    ("path", "body", "coming"),
    [
        ("/process", {"data": WAV, "headers": AUDIO}, 1),
        ("/v1/chat/completions", {"json": CHAT}, 1),
        ("/v1/responses", {"json": {"input": CHAT["messages"]}}, 1),
        ("/v1/audio/transcriptions", {"data": WAV, "headers": AUDIO}, 0),
    ],
)
async def test_requests_that_are_answered_after_their_transcription_come_to_the_language_model(
    bridge: Bridge, asr: FakeAsrWebservice, path: str, body: dict[str, Any], coming: int
) -> None:
    gate = asr.hold(Point.BEFORE_ANSWER)
    request = asyncio.create_task(bridge.client.post(path, **body))

    assert (await reaches(bridge, working=1))["ollama"] == {**IDLE["ollama"], "coming": coming}

    gate.release()
    assert (await request).status == 200
    assert (await load(bridge))["ollama"] == IDLE["ollama"]


async def test_a_recording_that_arrives_slowly_comes_to_the_language_model(bridge: Bridge) -> None:
    """From zero, both models start while it arrives."""
    await lead_to(bridge.service.whisper)
    await lead_to(bridge.service.llm)
    rest = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield WAV[:100]
        await rest.wait()
        yield WAV[100:]

    request = asyncio.create_task(bridge.client.post("/process", data=slowly(), headers=AUDIO))

    await reaches(bridge, held=1, ollama={**IDLE["ollama"], "coming": 1})
    rest.set()
    await request
    assert (await load(bridge))["ollama"]["coming"] == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/process", {"data": WAV, "headers": AUDIO}),
        ("/v1/chat/completions", {"json": CHAT}),
        ("/v1/responses", {"json": {"input": CHAT["messages"]}}),
    ],
)
async def test_recordings_that_wait_for_admission_come_to_the_language_model(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama, path: str, body: dict[str, Any]
) -> None:
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, max_concurrent_requests=1)
    gate = ollama.hold(Point.BEFORE_ANSWER)
    text = {"messages": [{"role": "user", "content": "Hello"}]}
    first = asyncio.create_task(bridge.client.post("/v1/chat/completions", json=text))
    one = {**IDLE["ollama"], "working": 1, "pods": {LOOPBACK: 1}}
    await reaches(bridge, ollama=one)

    second = asyncio.create_task(bridge.client.post(path, **body))

    await reaches(bridge, held=1, ollama={**one, "coming": 1})
    gate.release()
    assert [response.status for response in await asyncio.gather(first, second)] == [200, 200]


async def test_a_client_that_leaves_while_its_upload_stalls_comes_no_more(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the restart no stage has the request: that it ends is an event all the same."""
    monkeypatch.setattr(load_module, "_MIN_INTERVAL_S", 0.0)
    bridge = await start_bridge(
        whisper_url=asr.url, ollama_url=ollama.url, stream_min_rate=1, slot_idle_timeout=0.05, retry_buffer_bytes=2**23
    )
    async with bridge.client.get("/load", headers=FOLLOW) as stream:
        async with Connection.to(bridge.url) as connection:
            await connection.send(head("/process", length=2**22), part("file", WAV[:44], filename="a.wav")[:-2])
            await connection.send(bytes(2**20))
            await asr.until(lambda: bool(asr.work) and asr.work[0].disconnected)
            await reaches(bridge, held=0, waiting=0, working=0, ollama={**IDLE["ollama"], "coming": 1})

        async with asyncio.timeout(DEADLINE):
            while (await next_event(stream))["ollama"]["coming"] == 0:
                pass
            while (await next_event(stream))["ollama"]["coming"]:
                pass


async def test_events_begin_with_the_load_and_follow_its_changes(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    gate = asr.hold(Point.BEFORE_ANSWER)
    async with bridge.client.get("/load", headers=FOLLOW) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert await next_event(stream) == IDLE

        request = asyncio.create_task(bridge.json())

        assert (await next_event(stream))["working"] == 1
        gate.release()
        await request


async def test_a_held_request_is_an_event_at_once(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an interval longer than the deadline: only what does not wait for it arrives."""
    monkeypatch.setattr(load_module, "_MIN_INTERVAL_S", 10 * DEADLINE)
    await lead_to(bridge.service.whisper)
    async with bridge.client.get("/load", headers=FOLLOW) as stream:
        assert (await next_event(stream))["held"] == 0

        request = asyncio.create_task(bridge.json())

        assert (await next_event(stream))["held"] == 1
        await request


async def test_an_upload_that_arrives_while_no_pod_can_be_reached_is_held(bridge: Bridge) -> None:
    await lead_to(bridge.service.whisper)
    rest = asyncio.Event()

    async def slowly() -> Any:
        yield WAV[:100]
        await rest.wait()
        yield WAV[100:]

    request = asyncio.create_task(bridge.client.post("/process", data=slowly(), headers={"Content-Type": "audio/wav"}))

    await reaches(bridge, held=1)
    rest.set()
    await request


async def test_idle_streams_are_kept_alive_by_comments(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_module, "_MIN_INTERVAL_S", 0.01)
    monkeypatch.setattr(load_module, "_KEEP_ALIVE_S", 0.01)
    async with bridge.client.get("/load", headers=FOLLOW) as stream:
        await next_event(stream)

        async with asyncio.timeout(DEADLINE):
            assert await stream.content.readline() == b"\n"
            assert await stream.content.readline() == b": keep-alive\n"


async def test_a_stream_ends_at_once_although_a_request_is_held(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_module, "_MIN_INTERVAL_S", 10 * DEADLINE)
    await lead_to(bridge.service.whisper)
    async with bridge.client.get("/load", headers=FOLLOW) as stream:
        await next_event(stream)
        request = asyncio.create_task(bridge.json())
        assert (await next_event(stream))["held"] == 1

        bridge.service.load.close()

        async with asyncio.timeout(DEADLINE):
            await stream.read()
    await request


async def test_the_end_of_a_shutdown_ends_the_streams(bridge: Bridge) -> None:
    async with bridge.client.get("/load", headers=FOLLOW) as stream:
        await next_event(stream)
        bridge.service.load.close()

        async with asyncio.timeout(DEADLINE):
            await stream.read()

    async with bridge.client.get("/load", headers=FOLLOW) as response:
        assert (response.status, (await response.json())["code"]) == (503, "stopping")


async def test_it_needs_no_key_and_is_neither_measured_nor_logged(
    start_bridge: StartBridge, asr: FakeAsrWebservice, caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    (tmp_path / "key").write_text("secret", encoding="utf-8")
    bridge = await start_bridge(whisper_url=asr.url, api_keys_dir=str(tmp_path))

    await load(bridge)
    async with bridge.client.head("/load", headers=FOLLOW) as response:
        assert response.status == 200

    async with bridge.client.get("/metrics") as response:
        assert 'route="/load"' not in await response.text()
    assert "request" not in caplog.messages


async def test_unknown_durations_count_as_typical(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    gate = asr.hold(Point.BEFORE_ANSWER)
    data = form(b"OggS\x00\x02" + bytes(1000))
    request = asyncio.create_task(bridge.client.post("/process", data=data))

    assert (await reaches(bridge, working=1))["audio_seconds_working"] > 0

    gate.release()
    await request


async def test_more_streams_than_the_operator_needs_end_the_oldest(bridge: Bridge) -> None:
    """They require no key: they must neither use up connections nor lock the operator out."""
    streams = [await bridge.client.get("/load", headers=FOLLOW) for _ in range(MAX_FOLLOWERS + 1)]
    for stream in streams:
        await next_event(stream)

    async with asyncio.timeout(DEADLINE):
        assert await streams[0].content.readline() == b"\n"
        assert await streams[0].content.read() == b""
    assert not streams[1].content.at_eof()
    for stream in streams:
        stream.close()
