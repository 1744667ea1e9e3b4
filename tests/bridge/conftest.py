"""The bridge under test, in this process, with fakes for upstreams."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import uvloop
from aiohttp import web
from fakes.ollama import FakeOllama
from fakes.openai_chat import FakeOpenAIChat
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.whisper import FakeAsrWebservice

from speechbridge.app import create_app
from speechbridge.service import SERVICE, Service
from speechbridge.settings import Settings

QUICK = {
    "hold_timeout": 0.3,
    "queue_timeout": 1.0,
    "connect_timeout": 1.0,
    "upload_lag": 0.1,
    "drain_timeout": 2.0,
    "models": "smollm2:135m",
    "warm_up": False,
}


@dataclass
class Bridge:
    """A running bridge and a client for it."""

    url: str
    client: aiohttp.ClientSession
    service: Service
    runner: web.AppRunner

    async def process(self, audio: bytes = b"", **fields: str) -> aiohttp.ClientResponse:
        """Send a form to /process, the fields before the file."""
        return await self.client.post("/process", data=form(audio, **fields))

    async def json(self, audio: bytes = b"", **fields: str) -> tuple[int, dict[str, Any]]:
        """Send a form to /process; return status and JSON answer."""
        async with await self.process(audio, **fields) as response:
            return response.status, await response.json()


StartBridge = Callable[..., Awaitable[Bridge]]


def form(audio: bytes, *, filename: str = "a.wav", field: str = "file", **fields: str) -> aiohttp.FormData:
    data = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        data.add_field(name, value)
    data.add_field(field, audio or WAV, filename=filename, content_type="audio/wav")
    return data


def wav(seconds: float = 1.0, rate: int = 16_000) -> bytes:
    """A WAV of silence: 16 bit, mono."""
    size = int(seconds * rate) * 2
    header = b"RIFF" + (36 + size).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    header += b"\x01\x00\x01\x00" + rate.to_bytes(4, "little") + (rate * 2).to_bytes(4, "little") + b"\x02\x00\x10\x00"
    return header + b"data" + size.to_bytes(4, "little") + bytes(size)


WAV = wav()


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop that production has."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def start_bridge() -> AsyncIterator[StartBridge]:
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Bridge:
            app = create_app(Settings(**{**QUICK, **settings}))
            runner = web.AppRunner(
                app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1, read_bufsize=256 * 1024
            )
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
