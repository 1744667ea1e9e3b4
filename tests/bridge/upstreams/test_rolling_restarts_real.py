"""Two bridges and three real Whisper servers, which are restarted one after the other; the last one is killed."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import aiohttp
import pytest

from bridge.rolling import Clients, Names, Recording, bridges
from speechlocal.children import READY_WITHIN_S, Child, free_port
from speechlocal.paths import RECORDINGS
from speechlocal.stack import whisper_program
from spoken import WORST_WORD_ERROR_RATE, transcript, word_error_rate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from contract.services.programs import Process
    from fakes.ollama import FakeOllama

pytestmark = pytest.mark.component

CLIENTS = 2
"""Of each bridge: more than the pods have slots."""
DEADLINE_S = 300.0
"""The machine may be busy; alone it takes less than a minute."""
VOICES = sorted(RECORDINGS.glob("*.wav"))


def recording(number: int) -> Recording:
    voice = VOICES[number % len(VOICES)]
    said = transcript(voice)
    return Recording(voice.read_bytes(), lambda text: word_error_rate(said, text) <= WORST_WORD_ERROR_RATE)


@dataclass(frozen=True)
class Pod:
    """A Whisper server at an address of its own, with one slot and one thread."""

    url: str
    child: Child

    @classmethod
    async def start(cls, address: str, port: int, logs: Path) -> Pod:
        """Start it, and wait until it is ready."""
        program = whisper_program(port)
        own = {
            "SERVER_HOST": address,
            "WHISPER_CPU_THREADS": "1",
            "WHISPER_BATCH_SIZE": "1",
            "WHISPER_CONCURRENCY": "1",
        }
        url = f"http://{address}:{port}"
        program = replace(
            program,
            name=f"whisper-{address}",
            ready_url=f"{url}/readyz",
            environment={**program.environment, **own},
        )
        child = await Child.start(program, logs)
        async with aiohttp.ClientSession() as session:
            await child.wait_ready(session, READY_WITHIN_S)
        return cls(url, child)

    async def works(self) -> None:
        """Wait until it has a request in its slot."""
        async with aiohttp.ClientSession(self.url) as session, asyncio.timeout(DEADLINE_S):
            while True:
                async with session.get("/load") as response:
                    if (await response.json())["working"]:
                        return
                await asyncio.sleep(0.02)

    async def end(self, number: signal.Signals) -> int:
        """Send a signal; return the exit status."""
        os.kill(self.child.pid, number)
        return await self.child._process.wait()


class Pods:
    """The pods that run, by their addresses."""

    def __init__(self, port: int, logs: Path) -> None:
        self.port = port
        self._logs = logs
        self._running: dict[str, Pod] = {}

    async def start(self, address: str) -> Pod:
        self._running[address] = await Pod.start(address, self.port, self._logs)
        return self._running[address]

    async def work(self, address: str) -> None:
        """Wait until a pod has a request."""
        await self._running[address].works()

    async def end(self, address: str, number: signal.Signals) -> int:
        """End a pod; return the exit status."""
        status = await self._running[address].end(number)
        del self._running[address]
        return status

    async def stop(self) -> None:
        await asyncio.gather(*(pod.child.stop() for pod in self._running.values()))


FIRST, SECOND, THIRD, FOURTH = (f"127.0.0.{last}" for last in range(1, 5))


@pytest.fixture
def names(tmp_path: Path) -> Names:
    return Names(tmp_path / "names.json", FIRST, SECOND, THIRD)


@pytest.fixture
async def pods(tmp_path: Path) -> AsyncIterator[Pods]:
    running = Pods(free_port(), tmp_path)
    try:
        await asyncio.gather(*(running.start(address) for address in (FIRST, SECOND, THIRD)))
        yield running
    finally:
        await running.stop()


@pytest.fixture
def two_bridges(tmp_path: Path, names: Names, pods: Pods, ollama: FakeOllama) -> Iterator[list[Process]]:
    with bridges(tmp_path, names, pods.port, ollama.url) as processes:
        yield processes


async def test_no_request_is_lost_while_two_pods_are_replaced_and_one_is_killed(
    pods: Pods, names: Names, two_bridges: list[Process]
) -> None:
    clients = Clients(recording)
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        group.create_task(clients.run(two_bridges, CLIENTS))
        for old, new in ((FIRST, FOURTH), (SECOND, FIRST)):
            pod = await pods.start(new)
            names.add(new)
            await pod.works()
            await pods.work(old)  # before it has no name: the bridges may learn so at once
            names.remove(old)
            assert await pods.end(old, signal.SIGTERM) == 0

        await pods.work(THIRD)
        assert await pods.end(THIRD, signal.SIGKILL) == -signal.SIGKILL
        pod = await pods.start(THIRD)
        await pod.works()
        clients.stop()

    assert clients.faults == []
