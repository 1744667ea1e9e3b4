"""Uploads and work have a gate each: slow senders do not delay others."""

import asyncio

import pytest

from bridge.running import WAV, StartBridge, form
from bridge.wire import Connection, head, multipart, part
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.whisper import FakeAsrWebservice
from speechbridge.api import event_stream

pytestmark = pytest.mark.unit

MIB = 2**20
BODY = multipart(part("file", WAV, filename="a.wav"))


async def test_slow_senders_hold_no_slot_for_work(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(
        whisper_url=asr.url, ollama_url=ollama.url, max_concurrent_requests=1, max_queued_requests=0
    )
    async with Connection.to(bridge.url) as first, Connection.to(bridge.url) as second:
        for connection in (first, second):
            await connection.send(head("/process", length=len(BODY)), BODY[:200])
        await bridge.until(lambda: bridge.service.admission.arriving == 2)

        status, _ = await bridge.json()

        assert status == 200
        for connection in (first, second):
            await connection.send(BODY[200:])
            assert (await connection.reply()).status == 200


async def test_an_upload_that_slows_down_releases_its_slot_for_work(
    start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(
        whisper_url=speech_whisper.url,
        ollama_url=ollama.url,
        transcriber="openai",
        max_concurrent_requests=1,
        max_queued_requests=0,
        stream_min_rate=1,
        slot_idle_timeout=0.05,
        retry_buffer_bytes=8 * MIB,
    )
    body = multipart(part("file", WAV[:44] + bytes(2 * MIB), filename="a.wav"))
    async with Connection.to(bridge.url) as connection:
        await connection.send(head("/process", length=len(body)), body[:MIB])
        await speech_whisper.until(lambda: bool(speech_whisper.work) and speech_whisper.work[0].disconnected)

        status, _ = await bridge.json()
        await connection.send(body[MIB:])
        reply = await connection.reply()

    assert (status, reply.status) == (200, 200)
    assert bridge.service.admission.open == 0


async def test_a_shutdown_waits_for_uploads_that_have_begun(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url)
    admission = bridge.service.admission
    async with Connection.to(bridge.url) as connection:
        await connection.send(head("/process", length=len(BODY)), BODY[:200])
        await bridge.until(lambda: admission.arriving == 1)
        admission.stopping = True
        drained = asyncio.create_task(admission.drained())
        await connection.send(BODY[200:])
        reply = await connection.reply()
        await drained

    assert reply.status == 200


@pytest.mark.parametrize("path", ["/process", "/v1/audio/transcriptions"])
async def test_a_stream_that_queues_keeps_its_status_open(
    start_bridge: StartBridge,
    speech_whisper: FakeSpeechWhisper,
    ollama: FakeOllama,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    """So it can still be rejected with 503 and Retry-After, which clients act on."""
    monkeypatch.setattr(event_stream, "_KEEP_ALIVE_INTERVAL_S", 0.01)
    bridge = await start_bridge(
        whisper_url=speech_whisper.url, ollama_url=ollama.url, transcriber="openai", queue_timeout=0.2
    )
    gate = speech_whisper.hold(Point.BEFORE_ANSWER)
    first = asyncio.create_task(bridge.json())
    await gate.reached()

    async with bridge.client.post(path, data=form(WAV, stream="true")) as refused:
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) >= 1
    gate.release()

    assert (await first)[0] == 200


async def test_a_stream_that_queues_for_long_is_kept_alive(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxies would close it otherwise."""
    monkeypatch.setattr(event_stream, "_MAX_QUIET_WAIT_S", 0.02)
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, queue_timeout=5)
    gate = asr.hold(Point.BEFORE_ANSWER)
    first = asyncio.create_task(bridge.json())
    await gate.reached()

    async with bridge.client.post("/process", data=form(WAV, stream="true")) as response:
        assert await response.content.readline() == b": keep-alive\n"
        gate.release()
        assert b"response.done" in await response.read()

    assert (await first)[0] == 200


async def test_keys_share_the_queue(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("busy", "quiet"):
        (folder / name).write_text(name)
    bridge = await start_bridge(
        whisper_url=asr.url,
        ollama_url=ollama.url,
        max_concurrent_requests=1,
        queue_timeout=5,
        api_keys_dir=str(folder),
    )
    gate = asr.hold(Point.BEFORE_ANSWER)
    answered: list[str] = []

    async def ask(key: str) -> None:
        headers = {"X-API-Key": key}
        async with bridge.client.post("/process", data=form(WAV), headers=headers) as response:
            assert response.status == 200
            answered.append(key)

    async with asyncio.TaskGroup() as group:
        for number, key in enumerate(["busy", "busy", "busy", "quiet"]):
            group.create_task(ask(key))
            await bridge.until(lambda number=number: bridge.service.admission.open == number + 1)  # type: ignore[misc]
            if not number:
                await gate.reached()
        await bridge.until(lambda: bridge.service.admission.queued == 3)
        gate.release()

    assert answered.index("quiet") <= 2
