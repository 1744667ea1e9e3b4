"""Two bridges at one Whisper pod: no request is refused, and no client starves."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp.test_utils import TestServer

from bridge.running import WAV, Bridge, StartBridge, form
from fakes.ollama import FakeOllama
from speechwhisper.app import build
from speechwhisper.audio.decode import Recording
from speechwhisper.recognition.options import Options
from speechwhisper.recognition.port import Stop
from speechwhisper.recognition.transcript import Segment, TranscriptionInfo
from speechwhisper.service import SERVICE
from speechwhisper.settings import Settings
from speechwhisper.telemetry.spans import RecognitionTrace
from whisper.scripted import ScriptedDecoder, segment

pytestmark = pytest.mark.unit

JOBS = 60
JOB_SECONDS = 0.1
CLIENTS = {"a1": 0, "a2": 0, "a3": 0, "a4": 0, "b1": 1}
"""Client -> which bridge it is at."""


class SlowDecoder(ScriptedDecoder):
    """Takes its time over each job."""

    def decode(
        self,
        recording: Recording,
        options: Options,
        emit: Callable[[Segment], None],
        stop: Stop,
        trace: RecognitionTrace | None = None,
    ) -> TranscriptionInfo:
        stopped = threading.Event()
        stop.on_set(stopped.set)
        stopped.wait(JOB_SECONDS)
        return super().decode(recording, options, emit, stop, trace)


@pytest.fixture
async def pod() -> AsyncIterator[str]:
    """Address of the real Whisper server, over a scripted decoder; one job at a time."""
    settings = Settings(whisper_model="/models/tiny", whisper_concurrency=1)
    server = TestServer(build(settings, SlowDecoder([segment(" Hello.")])))
    await server.start_server()
    yield str(server.make_url("")).rstrip("/")
    server.app[SERVICE].slots.close()  # ends the streams of /load, as a real server does when it stops
    await server.close()


@pytest.fixture
async def bridges(start_bridge: StartBridge, pod: str, ollama: FakeOllama) -> list[Bridge]:
    settings = {"whisper_url": pod, "transcriber": "openai", "ollama_url": ollama.url, "queue_timeout": 30.0}
    return [await start_bridge(**settings) for _ in range(2)]


async def test_no_client_starves_at_a_pod_that_two_bridges_share(bridges: list[Bridge]) -> None:
    answers: Counter[str] = Counter()
    refused: list[str] = []

    async def ask_again_and_again(client: str) -> None:
        while answers.total() + len(refused) < JOBS:
            url, bridge = "/v1/audio/transcriptions", bridges[CLIENTS[client]]
            async with bridge.client.post(url, data=form(WAV)) as response:
                if response.status == 200:
                    answers[client] += 1
                else:
                    refused.append(client)

    async with asyncio.TaskGroup() as group:
        for client in CLIENTS:
            group.create_task(ask_again_and_again(client))

    fair_share = answers.total() / len(CLIENTS)
    assert refused == []
    assert min(answers[client] for client in CLIENTS) >= fair_share / 2
