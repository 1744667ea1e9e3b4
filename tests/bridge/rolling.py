"""What a rolling restart needs: bridges in processes of their own, the addresses of their pods, clients that go on."""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import aiohttp

from contract.services.programs import BRIDGE, DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from contract.services.programs import Process

NAME = "whisper.test"
"""The name of all Whisper pods."""
MAX_REQUESTS = 5000
"""Of all clients together; a test that needs more hangs."""
REFRESH_S = 0.05
"""Between two DNS lookups of a bridge."""


class Names:
    """What the bridges' name server says: the addresses of the pods that are ready."""

    def __init__(self, file: Path, *addresses: str) -> None:
        self.file = file
        self._addresses = set(addresses)
        self._write()

    def add(self, address: str) -> None:
        self._addresses.add(address)
        self._write()

    def remove(self, address: str) -> None:
        self._addresses.remove(address)
        self._write()

    def _write(self) -> None:
        """Replace the file at once, since a bridge may be reading it."""
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps({NAME: sorted(self._addresses)}), encoding="utf-8")
        new.replace(self.file)


@contextmanager
def bridges(folder: Path, names: Names, port: int, llm_url: str) -> Iterator[list[Process]]:
    """Run two bridges in front of the pods, which all listen on one port; they must log no stack trace."""
    settings = {
        "WHISPER_URL": f"http://{NAME}:{port}",
        "OLLAMA_URL": llm_url,
        "TRANSCRIBER": "openai",
        "MODELS": "smollm2:135m",
        "PROMPT_PREFILL": "false",
        "DNS_REFRESH_INTERVAL": str(REFRESH_S),
        "SERVER_HOST": "127.0.0.1",
    }
    with ExitStack() as stack:
        processes = []
        for number in range(2):
            own = folder / f"bridge-{number}"
            own.mkdir()
            processes.append(stack.enter_context(BRIDGE.serving(own, f"--names={names.file}", **settings)))
        yield processes
        assert not [line for process in processes for line in process.lines if "exception" in line]


class Recording(NamedTuple):
    """A recording, and the check of its transcript."""

    audio: bytes
    is_transcript: Callable[[str], bool]


@dataclass
class Clients:
    """Clients of both bridges, each of which sends one recording after the other until it is told to stop.

    Attributes:
        record: Makes the recording of a given number.
        streaming: Whether every other request asks for a stream.
        answered: How many requests were answered.
        faults: Requests that were lost, refused, or answered with other words.
    """

    record: Callable[[int], Recording]
    streaming: bool = False
    answered: int = 0
    faults: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _stopped: bool = False

    def stop(self) -> None:
        """Let each client have the answer it waits for, and send nothing more."""
        self._stopped = True

    async def run(self, processes: list[Process], clients: int) -> None:
        """Be so many clients of each bridge, until `stop`."""
        async with asyncio.TaskGroup() as group:
            for name, process in enumerate(processes):
                line = await asyncio.to_thread(process.said, "listening")
                for _ in range(clients):
                    group.create_task(self._send(f"http://127.0.0.1:{line['port']}", f"bridge-{name}"))

    async def _send(self, url: str, bridge: str) -> None:
        async with aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(DEADLINE_S)) as session:
            while not self._stopped:
                number = next(self._numbers)
                assert number < MAX_REQUESTS, "the clients were not stopped"
                try:
                    fault = await self._ask(session, number, f"{bridge}-{number}")
                except (aiohttp.ClientError, TimeoutError) as error:
                    fault = f"was lost: {error!r}"
                if fault:
                    self.faults.append(f"{bridge}, request {number}: {fault}")
                self.answered += 1

    async def _ask(self, session: aiohttp.ClientSession, number: int, request_id: str) -> str:
        """Send one recording; return what is wrong with the answer, if anything is."""
        recording = self.record(number)
        stream = "true" if self.streaming and number % 2 else "false"
        async with session.post(
            "/v1/audio/transcriptions",
            data=form_of(recording.audio, stream=stream),
            headers={"X-Request-ID": request_id},
        ) as response:
            body = await response.text()
            if response.status != 200:
                return f"{response.status}: {body}"
        said = last_event(body) if stream == "true" else json.loads(body)
        return "" if recording.is_transcript(said.get("text", "")) else f"answered {body}"


def form_of(audio: bytes, **fields: str) -> aiohttp.FormData:
    """A form with a file, since aiohttp warns of a megabyte of bytes."""
    form = aiohttp.FormData(fields)
    form.add_field("file", io.BytesIO(audio), filename="a.wav", content_type="audio/wav")
    return form


def last_event(stream: str) -> dict[str, str]:
    """The last event of a stream."""
    data = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data: {")]
    event: dict[str, str] = json.loads(data[-1])
    return event
