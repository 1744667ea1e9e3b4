"""Each upstream twice: the fake (tier unit) and the real one (tier component). A case asks for one by its name.

The real ones run once per session, as child processes of `speechlocal`. Where one cannot be had, its cases fail in
continuous integration (CI=true) and are skipped, saying what is missing, anywhere else.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest

from fakes.early_whisper import FakeEarlyWhisper
from fakes.ollama import FakeOllama
from fakes.openai_chat import FakeOpenAIChat
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.whisper import FakeAsrWebservice
from speechlocal import stack
from speechlocal.children import free_port, running
from speechlocal.errors import LocalError
from speechlocal.ollama import create_small_model, serving

FAKE = pytest.param("fake", marks=pytest.mark.unit)
EARLY = pytest.param("early", marks=pytest.mark.unit)
REAL = pytest.param("real", marks=pytest.mark.component)
both = pytest.fixture(params=[FAKE, REAL])

LLM_CONTEXT = 4096

T = TypeVar("T")


@contextmanager
def or_missing(what: str) -> Iterator[None]:
    """Turn "this machine does not have it" into a failure in continuous integration, else into a skip."""
    try:
        yield
    except LocalError as error:
        reason = f"the real {what} is not to be had: {error.message}; {error.advice}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@contextmanager
def entered(what: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Keep an async context open for as long as the block lasts, outside any test's event loop."""
    with asyncio.Runner() as loop:
        value = loop.run(what.__aenter__())
        try:
            yield value
        finally:
            loop.run(what.__aexit__(None, None, None))


@asynccontextmanager
async def ollama_with_model(folder: Path) -> AsyncIterator[str]:
    async with serving(folder) as url:
        await create_small_model(url)
        yield url


@pytest.fixture(scope="session")
def real_llm() -> Iterator[str]:
    port = free_port()
    with or_missing("language model"), entered(running([stack.llm_program(port)])):
        yield stack.address(port)


@pytest.fixture(scope="session")
def real_whisper() -> Iterator[str]:
    port = free_port()
    with or_missing("Whisper server"):
        program = stack.whisper_program(port)
        program = replace(program, environment={**program.environment, "WHISPER_CONCURRENCY": "1"})
    with or_missing("Whisper server"), entered(running([program])):
        yield stack.address(port)


@pytest.fixture(scope="session")
def real_ollama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("ollama-models")
    with or_missing("Ollama"), entered(ollama_with_model(folder)) as url:
        yield url


@pytest.fixture
async def fake_llm() -> AsyncIterator[str]:
    async with FakeOpenAIChat(context_length=LLM_CONTEXT) as fake:
        yield fake.url


@pytest.fixture
async def fake_whisper() -> AsyncIterator[str]:
    async with FakeSpeechWhisper() as fake:
        yield fake.url


@pytest.fixture
async def early_whisper() -> AsyncIterator[str]:
    async with FakeEarlyWhisper() as fake:
        yield fake.url


@pytest.fixture
async def fake_asr() -> AsyncIterator[str]:
    async with FakeAsrWebservice() as fake:
        yield fake.url


@pytest.fixture
async def fake_ollama() -> AsyncIterator[str]:
    async with FakeOllama() as fake:
        yield fake.url


@both
def llm(request: pytest.FixtureRequest) -> str:
    """Address of llama.cpp's server, with a context of LLM_CONTEXT tokens."""
    return _address(request, "llm")


@pytest.fixture(params=[FAKE, EARLY, REAL])
def speech_whisper(request: pytest.FixtureRequest) -> str:
    """Address of our own Whisper server; one job at a time."""
    return _address(request, "whisper")


@pytest.fixture(params=[EARLY, REAL])
def streaming_whisper(request: pytest.FixtureRequest) -> str:
    """The same, not of the fake that reads the whole upload before it answers."""
    return _address(request, "whisper")


@both
def asr(request: pytest.FixtureRequest) -> str:
    """Address of something that answers /asr: the fake of whisper-asr-webservice, or our own server's door for it."""
    return _address(request, "asr" if request.param == "fake" else "whisper")


@both
def ollama(request: pytest.FixtureRequest) -> str:
    """Address of Ollama, with the model smollm2:135m."""
    return _address(request, "ollama")


def _address(request: pytest.FixtureRequest, upstream: str) -> str:
    address = request.getfixturevalue(f"{request.param}_{upstream}")
    assert isinstance(address, str)
    return address


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session:
        yield session
