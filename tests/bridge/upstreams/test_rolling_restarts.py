"""Two bridges and three Whisper pods, which are restarted one after the other while clients go on sending.

No request is lost, none is answered with another one's words, and none is refused, since a pod is free all the time.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from bridge.rolling import Clients, Names, Recording, bridges
from bridge.running import wav
from fakes.faults import Slow
from fakes.gates import Point
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.transcripts import Segment, Transcript

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from contract.services.programs import Process
    from fakes.faults import Fault
    from fakes.ollama import FakeOllama
    from fakes.received import Received
    from fakes.sending import Reply

pytestmark = pytest.mark.unit

CLIENTS = 4
"""Of each bridge: more than the pods have slots, so that requests also wait in the queues of the pods."""
JOB_S = 0.02
DEADLINE_S = 120.0
"""The machine may be busy; alone each test takes a few seconds."""
SHORT = wav(seconds=0.25)
LARGE = wav(seconds=40.0)  # more than a bridge keeps for a retry


def text_of(sha256: str) -> str:
    return f"This is recording {sha256[:20]}."


def recording(number: int, samples: bytes = SHORT) -> Recording:
    """A recording of its own for each number."""
    audio = samples[:-8] + number.to_bytes(8, "little")
    expected = text_of(hashlib.sha256(audio).hexdigest())
    return Recording(audio, lambda text: text.strip() == expected)


def short_or_large(number: int) -> Recording:
    return recording(number, SHORT if number % 10 else LARGE)


class Pod(FakeSpeechWhisper):
    """Hears in each recording which one it is; has one slot."""

    async def answer(self, received: Received, fault: Fault | None) -> Reply:
        if received.audio is not None:
            self.transcript = Transcript((Segment(0.0, 0.25, f" {text_of(received.audio.sha256)}"),), duration=0.25)
        return await super().answer(received, fault)

    @property
    def address(self) -> str:
        return self._host

    @property
    def loaded(self) -> bool:
        """Whether it has a request in its slot, and one in its queue."""
        return bool(self.queue.working and self.queue.waiting)

    async def terminate(self) -> None:
        """End as on SIGTERM: refuse what waits and what comes, finish what has a slot, and the streams of the load."""
        self.ready = False
        await self.until(lambda: all(received.finished is not None for received in self.requests), deadline=DEADLINE_S)
        await self.go_away()

    async def start_again(self) -> None:
        await self.come_back()
        self.ready = True

    async def gets_requests_of(self, *bridges: str) -> None:
        """Wait for new requests by each of these bridges."""
        seen = len(self.work)

        def asking() -> set[str]:
            return {received.headers["X-Request-ID"].rpartition("-")[0] for received in self.work[seen:]}

        await self.until(lambda: set(bridges) <= asking(), deadline=DEADLINE_S)


BOTH = ("bridge-0", "bridge-1")


@pytest.fixture
async def pods() -> AsyncIterator[list[Pod]]:
    """Four pods of one port; the fourth is not running yet."""
    async with AsyncExitStack() as stack:
        started: list[Pod] = []
        for last in range(1, 5):
            port = int(started[0].url.rpartition(":")[2]) if started else 0
            pod = await stack.enter_async_context(Pod(speed=10.0).listen_on(f"127.0.0.{last}", port))
            pod.always(lambda received: Slow(JOB_S) if received.path.startswith("/v1/audio") else None)
            started.append(pod)
        await started[3].go_away()
        yield started


@pytest.fixture
def names(pods: list[Pod], tmp_path: Path) -> Names:
    return Names(tmp_path / "names.json", *(pod.address for pod in pods[:3]))


@pytest.fixture
def two_bridges(tmp_path: Path, names: Names, pods: list[Pod], ollama: FakeOllama) -> Iterator[list[Process]]:
    with bridges(tmp_path, names, int(pods[0].url.rpartition(":")[2]), ollama.url) as processes:
        yield processes


async def all_used(pods: list[Pod]) -> None:
    """Wait until both bridges use each of these pods."""
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(*(pod.gets_requests_of(*BOTH) for pod in pods))


async def test_pods_that_are_replaced_finish_what_they_have_begun(
    pods: list[Pod], names: Names, two_bridges: list[Process]
) -> None:
    """As a Deployment does it: the new pod is ready first, then the old one leaves the name and gets SIGTERM."""
    clients = Clients(short_or_large, streaming=True)
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        group.create_task(clients.run(two_bridges, CLIENTS))
        await all_used(pods[:3])
        for old, new in ((pods[0], pods[3]), (pods[1], pods[0]), (pods[2], pods[1])):
            await new.start_again()
            names.add(new.address)
            await new.gets_requests_of(*BOTH)
            await old.until(lambda old=old: old.loaded)  # type: ignore[misc]
            names.remove(old.address)
            await old.terminate()
        await all_used([pods[0], pods[1], pods[3]])
        clients.stop()

    assert clients.faults == []
    transcribed = Counter(
        received.audio.sha256 for pod in pods for received in pod.work if received.audio and received.audio.complete
    )
    assert len(transcribed) == clients.answered
    assert set(transcribed.values()) == {1}  # none was sent to a second pod, nor left unfinished


async def test_pods_that_stop_before_their_name_does_are_used_again_when_they_are_back(
    pods: list[Pod], names: Names, two_bridges: list[Process]
) -> None:
    """As a container that is restarted, or the name server's cache: the bridges notice by the pod's refusals."""
    clients = Clients(short_or_large, streaming=True)
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        group.create_task(clients.run(two_bridges, CLIENTS))
        await all_used(pods[:3])
        for pod in pods[:3]:
            await pod.until(lambda pod=pod: pod.loaded)  # type: ignore[misc]
            await pod.terminate()
            names.remove(pod.address)
            await pod.start_again()
            names.add(pod.address)
            await pod.gets_requests_of(*BOTH)
        clients.stop()

    assert clients.faults == []


async def test_pods_that_are_killed_during_a_request_lose_none(pods: list[Pod], two_bridges: list[Process]) -> None:
    """SIGKILL: all connections break, those of waiting requests too, and the name still has the address."""
    points = (Point.UPLOAD_STARTED, Point.AFTER_UPLOAD, Point.BEFORE_ANSWER)
    clients = Clients(recording)
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        group.create_task(clients.run(two_bridges, CLIENTS))
        await all_used(pods[:3])
        for pod, point in zip(pods, points, strict=False):
            gate = pod.hold(point)
            await gate.reached()
            await pod.until(lambda pod=pod: pod.loaded)  # type: ignore[misc]
            await pod.go_away()
            gate.release()
            await pod.start_again()
            await pod.gets_requests_of(*BOTH)
        clients.stop()

    assert clients.faults == []
