"""The bridge under test, in this process, with fakes for upstreams."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
import uvloop
from aiohttp import web

from bridge.running import QUICK, Bridge, StartBridge
from fakes.ollama import FakeOllama
from fakes.openai_chat import FakeOpenAIChat
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.whisper import FakeAsrWebservice
from speechbridge.api.server import Runner
from speechbridge.app import connection_limits, create_app
from speechbridge.service import SERVICE
from speechbridge.settings import Settings
from speechbridge.telemetry.spans import Tracing
from speechbridge.upstreams import choose


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop that production has."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def no_stack_traces(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing a client or an upstream does reaches the log as a stack trace."""
    caplog.set_level(logging.INFO)
    yield
    traced = [record.getMessage() for record in caplog.get_records("call") if record.exc_info]
    assert traced == []


@pytest.fixture(autouse=True)
def short_cooldown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod that failed cools down for a moment only: tests wait until it is tried again."""
    monkeypatch.setattr(choose, "_COOLDOWN_AFTER_FAILURE_S", 0.02)
    monkeypatch.setattr(choose, "_MIN_BUSY_COOLDOWN_S", 0.01)
    monkeypatch.setattr(choose, "_MAX_BUSY_COOLDOWN_S", 0.02)


@pytest.fixture
async def start_bridge() -> AsyncIterator[StartBridge]:
    async with AsyncExitStack() as stack:

        async def start(*, traces: Tracing | None = None, **settings: Any) -> Bridge:
            chosen = Settings(**{**QUICK, **settings})
            app = create_app(chosen, traces)
            runner = Runner(app, connection_limits(chosen), app[SERVICE].metrics, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            client = await stack.enter_async_context(aiohttp.ClientSession(url))
            return Bridge(url, client, app[SERVICE], runner)

        yield start


@pytest.fixture
async def asr() -> AsyncIterator[FakeAsrWebservice]:
    async with FakeAsrWebservice() as fake:
        yield fake


@pytest.fixture
async def speech_whisper() -> AsyncIterator[FakeSpeechWhisper]:
    async with FakeSpeechWhisper() as fake:
        yield fake


@pytest.fixture
async def ollama() -> AsyncIterator[FakeOllama]:
    async with FakeOllama() as fake:
        yield fake


@pytest.fixture
async def openai_chat() -> AsyncIterator[FakeOpenAIChat]:
    async with FakeOpenAIChat() as fake:
        yield fake


@pytest.fixture
async def bridge(start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama) -> Bridge:
    """The bridge as the older one was used: /asr and Ollama."""
    return await start_bridge(whisper_url=asr.url, ollama_url=ollama.url)


@pytest.fixture
async def streaming_bridge(
    start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, openai_chat: FakeOpenAIChat
) -> Bridge:
    """The bridge with OpenAI's protocols on both sides."""
    return await start_bridge(
        whisper_url=speech_whisper.url,
        ollama_url=openai_chat.url,
        transcriber="openai",
        generator="openai",
        models="",
    )
