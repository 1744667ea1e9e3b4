"""Whisper pods with a queue of their own: requests wait there, no audio is lost, idle pods get what waits elsewhere."""

import asyncio
import hashlib
import io
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count

import aiohttp
import pytest

from bridge.running import WAV, Bridge, StartBridge, form, lead_to, wav
from fakes.faults import Slow
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.speech_whisper import FakeSpeechWhisper

pytestmark = pytest.mark.unit

TRANSCRIPTIONS = "/v1/audio/transcriptions"
SPEED = 10.0  # seconds of audio per second
LARGE = wav(seconds=100.0)  # 3 MB: more than the bridge keeps for a retry

TwoPods = tuple[Bridge, list[FakeSpeechWhisper]]


async def start_over(start_bridge: StartBridge, ollama: FakeOllama, *pods: FakeSpeechWhisper) -> Bridge:
    """Start a bridge over Whisper pods of one name, and wait until it knows the load of each that reports it."""
    port = pods[0].url.rpartition(":")[2]
    bridge = await start_bridge(
        whisper_url=f"http://localhost:{port}", transcriber="openai", ollama_url=ollama.url, queue_timeout=10.0
    )
    await lead_to(bridge.service.whisper, *(pod.url.removeprefix("http://").partition(":")[0] for pod in pods))
    endpoints = bridge.service.whisper.endpoints
    await bridge.until(
        lambda: sum(endpoint.reports_load for endpoint in endpoints) == sum(pod.reports_load for pod in pods)
    )
    return bridge


@pytest.fixture
async def pod() -> AsyncIterator[FakeSpeechWhisper]:
    async with FakeSpeechWhisper(speed=SPEED) as fake:
        yield fake


@pytest.fixture
async def two_pods(start_bridge: StartBridge, ollama: FakeOllama) -> AsyncIterator[TwoPods]:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(FakeSpeechWhisper(speed=SPEED))
        port = int(first.url.rpartition(":")[2])
        second = await stack.enter_async_context(FakeSpeechWhisper(speed=SPEED).listen_on("127.0.0.2", port))
        yield await start_over(start_bridge, ollama, first, second), [first, second]


async def transcribe(bridge: Bridge, audio: bytes = WAV) -> int:
    body = form(b"")
    if audio is not WAV:  # a file, since aiohttp warns of megabytes of bytes
        body = aiohttp.FormData()
        body.add_field("file", io.BytesIO(audio), filename="a.wav", content_type="audio/wav")
    async with bridge.client.post(TRANSCRIPTIONS, data=body) as response:
        await response.read()
        return response.status


def digest(audio: bytes) -> str:
    return hashlib.sha256(audio).hexdigest()


# The report.


async def test_requests_wait_in_the_queue_of_the_pod(
    start_bridge: StartBridge, ollama: FakeOllama, pod: FakeSpeechWhisper
) -> None:
    bridge = await start_over(start_bridge, ollama, pod)
    pod.hold(Point.BEFORE_ANSWER)

    asking = [asyncio.create_task(transcribe(bridge)) for _ in range(3)]
    await pod.until(lambda: len(pod.queue.waiting) == 2 and bool(pod.queue.working[0].body_size))

    assert [received.body_size for received in pod.queue.waiting] == [0, 0]  # no audio before `100 Continue`
    assert all(received.headers["Speech-Audio-Seconds"] == "1.000" for received in pod.work)
    assert bridge.service.whisper.waiting == 2
    pod.release(Point.BEFORE_ANSWER)
    assert await asyncio.gather(*asking) == [200] * 3
    assert bridge.service.whisper.waiting == 0


async def test_slots_are_learned_and_let_waiting_requests_in(
    start_bridge: StartBridge, ollama: FakeOllama, speech_whisper: FakeSpeechWhisper
) -> None:
    speech_whisper.reports_load = False  # the test does
    bridge = await start_over(start_bridge, ollama, speech_whisper)
    (endpoint,) = bridge.service.whisper.endpoints
    speech_whisper.queue.slots = 3
    speech_whisper.hold(Point.BEFORE_ANSWER)
    asking = [asyncio.create_task(transcribe(bridge)) for _ in range(3)]
    await bridge.until(lambda: bridge.service.whisper.waiting == 2)

    endpoint._read_load({"speech-load": "slots=3, working=1"})
    await speech_whisper.until(lambda: len(speech_whisper.work) == 3)

    assert bridge.service.whisper.slots == 3
    speech_whisper.release(Point.BEFORE_ANSWER)
    assert await asyncio.gather(*asking) == [200] * 3


async def test_any_response_reports_the_load(start_bridge: StartBridge, ollama: FakeOllama) -> None:
    async with FakeSpeechWhisper(concurrency=3, speed=SPEED) as pod:
        bridge = await start_bridge(whisper_url=pod.url, transcriber="asr-webservice", ollama_url=ollama.url)
        (endpoint,) = bridge.service.whisper.endpoints
        assert not endpoint.reports_load

        await transcribe(bridge)

    assert endpoint.slots == 3


async def test_a_pod_that_reports_nothing_gets_one_request_at_a_time(
    start_bridge: StartBridge, ollama: FakeOllama, speech_whisper: FakeSpeechWhisper
) -> None:
    speech_whisper.reports_load = False
    bridge = await start_over(start_bridge, ollama, speech_whisper)
    await speech_whisper.until(lambda: any(received.path == "/load" for received in speech_whisper.requests))
    speech_whisper.hold(Point.BEFORE_ANSWER)

    asking = [asyncio.create_task(transcribe(bridge)) for _ in range(3)]
    await bridge.until(lambda: bridge.service.whisper.waiting == 2)
    await speech_whisper.until(lambda: bool(speech_whisper.work))

    assert len(speech_whisper.work) == 1
    speech_whisper.release(Point.BEFORE_ANSWER)
    assert await asyncio.gather(*asking) == [200] * 3


async def test_the_stream_of_reports_ends_with_its_pod(two_pods: TwoPods) -> None:
    bridge, pods = two_pods
    streams = [next(received for received in pod.requests if received.path == "/load") for pod in pods]

    await lead_to(bridge.service.whisper, "127.0.0.2")
    await pods[0].until(lambda: streams[0].disconnected)

    assert not streams[1].disconnected


async def test_the_pod_with_the_least_time_ahead_gets_the_request(two_pods: TwoPods) -> None:
    bridge, pods = two_pods
    for pod in pods:
        pod.hold(Point.BEFORE_ANSWER)
    long = asyncio.create_task(transcribe(bridge, LARGE))
    await bridge.until(lambda: sum(len(pod.queue.working) for pod in pods) == 1)
    slow, quick = sorted(pods, key=lambda pod: len(pod.queue.working), reverse=True)

    short = [asyncio.create_task(transcribe(bridge)) for _ in range(3)]
    await quick.until(lambda: len(quick.work) == 3)

    assert len(slow.work) == 1
    for pod in pods:
        pod.release(Point.BEFORE_ANSWER)
    assert await asyncio.gather(long, *short) == [200] * 4


# Withdrawal and refusal.


async def test_a_waiting_request_moves_to_a_pod_that_becomes_idle(two_pods: TwoPods) -> None:
    bridge, pods = two_pods
    for pod in pods:
        pod.hold(Point.BEFORE_ANSWER)
    working = [asyncio.create_task(transcribe(bridge)) for _ in range(2)]
    await bridge.until(lambda: all(len(pod.queue.working) == 1 for pod in pods))
    waiting = asyncio.create_task(transcribe(bridge, LARGE))
    await bridge.until(lambda: any(pod.queue.waiting for pod in pods))
    held, idle = sorted(pods, key=lambda pod: len(pod.queue.waiting), reverse=True)

    idle.release(Point.BEFORE_ANSWER)

    assert await waiting == 200
    assert held.work[1].disconnected
    assert held.work[1].body_size == 0
    audio = idle.work[1].audio
    assert audio is not None
    assert audio.sha256 == digest(LARGE)
    held.release(Point.BEFORE_ANSWER)
    assert await asyncio.gather(*working) == [200, 200]
    assert [endpoint.outstanding for endpoint in bridge.service.whisper.endpoints] == [0, 0]


async def test_a_refusal_costs_no_audio(start_bridge: StartBridge, ollama: FakeOllama) -> None:
    async with FakeSpeechWhisper(room=1, speed=SPEED) as pod:
        bridge = await start_over(start_bridge, ollama, pod)
        pod.hold(Point.BEFORE_ANSWER)
        asking = [asyncio.create_task(transcribe(bridge, LARGE)) for _ in range(3)]
        await pod.until(lambda: any(received.status == 503 for received in pod.work))

        pod.release(Point.BEFORE_ANSWER)

        assert await asyncio.gather(*asking) == [200] * 3
    refused = [received for received in pod.work if received.status == 503]
    answered = [received.audio for received in pod.work if received.status == 200]
    assert all(received.body_size == 0 for received in refused)
    assert [audio.sha256 for audio in answered if audio] == [digest(LARGE)] * 3


async def test_who_waits_too_long_in_a_pods_queue_is_refused(
    start_bridge: StartBridge, ollama: FakeOllama, pod: FakeSpeechWhisper
) -> None:
    bridge = await start_bridge(whisper_url=pod.url, transcriber="openai", ollama_url=ollama.url, queue_timeout=0.3)
    await bridge.until(lambda: bridge.service.whisper.endpoints[0].reports_load)
    pod.hold(Point.BEFORE_ANSWER)
    first = asyncio.create_task(transcribe(bridge))
    await pod.until(lambda: len(pod.queue.working) == 1)

    assert await transcribe(bridge) == 503

    await pod.until(lambda: not pod.queue.waiting)
    assert pod.work[-1].body_size == 0
    pod.release(Point.BEFORE_ANSWER)
    assert await first == 200


async def test_the_wait_in_a_pods_queue_is_not_work(
    start_bridge: StartBridge, ollama: FakeOllama, pod: FakeSpeechWhisper
) -> None:
    bridge = await start_over(start_bridge, ollama, pod)
    pod.hold(Point.BEFORE_ANSWER)
    asking = [asyncio.create_task(transcribe(bridge)) for _ in range(2)]
    await pod.until(lambda: len(pod.queue.waiting) == 1)

    def in_flight(stage: str) -> float | None:
        return bridge.value("speechbridge_requests_in_flight", stage=stage)

    await bridge.until(lambda: (in_flight("queue"), in_flight("transcribe")) == (1, 1))
    pod.release(Point.BEFORE_ANSWER)
    await asyncio.gather(*asking)
    assert (in_flight("queue"), in_flight("transcribe")) == (0, 0)


# Several bridges.


async def test_all_clients_of_two_bridges_get_the_same_share(
    start_bridge: StartBridge, ollama: FakeOllama, pod: FakeSpeechWhisper
) -> None:
    pod.always(lambda received: Slow(0.01) if pod.is_work(received) else None)
    bridges = [await start_over(start_bridge, ollama, pod) for _ in range(2)]
    clients, jobs, numbers = {"a1": 0, "a2": 0, "a3": 0, "a4": 0, "b1": 1}, 60, count()
    answers: Counter[tuple[str, int]] = Counter()

    async def ask_again_and_again(client: str) -> None:
        while next(numbers) < jobs:
            answers[client, await transcribe(bridges[clients[client]])] += 1

    await asyncio.gather(*(ask_again_and_again(client) for client in clients))

    fair_share = jobs / len(clients)
    assert all(status == 200 for _, status in answers)
    assert all(0.8 <= answers[client, 200] / fair_share <= 1.2 for client in clients)
    assert all(received.status == 200 for received in pod.work)  # none was refused by the pod either


# A pod that dies.


@pytest.mark.parametrize("point", [None, Point.UPLOAD_STARTED, Point.AFTER_UPLOAD, Point.BEFORE_ANSWER])
async def test_a_pod_killed_at_any_point_loses_no_request(two_pods: TwoPods, point: Point | None) -> None:
    """Without a point it is killed while the request waits in its queue."""
    bridge, pods = two_pods
    for pod in pods:
        pod.hold(point or Point.BEFORE_ANSWER)
    asking = [asyncio.create_task(transcribe(bridge)) for _ in range(3 if point is None else 1)]
    if point is None:
        await bridge.until(lambda: any(pod.queue.waiting for pod in pods))
        killed, other = sorted(pods, key=lambda pod: len(pod.queue.waiting), reverse=True)
    else:
        await bridge.until(lambda: any(pod._gates[point].waiting for pod in pods))
        killed, other = sorted(pods, key=lambda pod: len(pod.work), reverse=True)

    await killed.go_away()
    other.release(point or Point.BEFORE_ANSWER)

    assert await asyncio.gather(*asking) == [200] * len(asking)
    assert [endpoint.outstanding for endpoint in bridge.service.whisper.endpoints] == [0, 0]
