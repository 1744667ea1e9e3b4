"""The real process: logs JSON lines, and drains its requests before it exits."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import aiohttp
import pytest

from bridge.running import WAV, form
from bridge.wire import Connection, head
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.transcripts import Segment, Transcript
from fakes.whisper import FakeAsrWebservice

pytestmark = pytest.mark.unit

DEADLINE = 20.0  # for a process to start on a busy machine


class Program:
    """`python -m speechbridge` in its own process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[dict[str, Any]] = []
        self.url = ""

    async def said(self, message: str) -> dict[str, Any]:
        """Read the log until this line."""
        assert self._process.stderr is not None
        async with asyncio.timeout(DEADLINE):
            while line := await self._process.stderr.readline():
                self.lines.append(json.loads(line))
                if self.lines[-1]["message"] == message:
                    return self.lines[-1]
        pytest.fail(f"it exited without logging {message!r}: {self.lines}")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def left(self) -> int:
        """The exit code, once it has exited."""
        assert self._process.stderr is not None
        async with asyncio.timeout(DEADLINE):
            for line in (await self._process.stderr.read()).splitlines():
                self.lines.append(json.loads(line))
            return await self._process.wait()

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()


Run = Callable[..., Awaitable[Program]]


@pytest.fixture
async def run(asr: FakeAsrWebservice, ollama: FakeOllama) -> AsyncIterator[Run]:
    """Start the program; keyword arguments are settings."""
    async with AsyncExitStack() as stack:

        async def run(**settings: str) -> Program:
            environment = {
                **os.environ,
                "WHISPER_URL": asr.url,
                "OLLAMA_URL": ollama.url,
                "MODELS": "smollm2:135m",
                "PROMPT_PREFILL": "false",
                "SERVER_HOST": "127.0.0.1",
                "SERVER_PORT": "0",
                **settings,
            }
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "speechbridge", env=environment, stderr=asyncio.subprocess.PIPE
            )
            program = Program(process)
            stack.callback(program.kill)
            return program

        yield run


async def started(program: Program) -> aiohttp.ClientSession:
    line = await program.said("listening")
    program.url = f"http://127.0.0.1:{line['port']}"
    return aiohttp.ClientSession(program.url)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_finishes_requests_in_flight_and_rejects_new_ones(
    run: Run, asr: FakeAsrWebservice, number: signal.Signals
) -> None:
    program = await run()
    gate = asr.hold(Point.BEFORE_ANSWER)
    async with await started(program) as client:
        async with client.get("/readyz") as ready:
            assert ready.status == 200
        in_flight = asyncio.create_task(client.post("/process", data=form(WAV)))
        await gate.reached()

        program.signal(number)
        await program.said("stopping")
        async with client.get("/readyz") as ready, client.post("/process", data=form(WAV)) as refused:
            assert (ready.status, (await ready.json())["status"]) == (503, "stopping")
            assert (refused.status, (await refused.json())["code"]) == (503, "stopping")
        gate.release()
        async with await in_flight as answered:
            assert answered.status == 200
            assert (await answered.json())["response"]

    assert await program.left() == 0
    assert program.lines[-1]["message"] == "stopped"
    assert program.lines[-1]["cancelled"] == 0


async def last_load(stream: aiohttp.ClientResponse) -> dict[str, Any]:
    """The last event of a stream of /load, once it has ended."""
    async with asyncio.timeout(DEADLINE):
        lines = (await stream.read()).splitlines()
    found: dict[str, Any] = json.loads([line for line in lines if line.startswith(b"data: ")][-1][len(b"data: ") :])
    return found


async def test_reports_its_load_until_the_last_request_is_answered(run: Run, asr: FakeAsrWebservice) -> None:
    """The operator must not stop Ollama while a recording is transcribed that Ollama will answer."""
    program = await run()
    gate = asr.hold(Point.BEFORE_ANSWER)
    async with await started(program) as client:
        in_flight = asyncio.create_task(client.post("/process", data=form(WAV)))
        await gate.reached()
        async with client.get("/load", headers={"Accept": "text/event-stream"}) as before:
            program.signal(signal.SIGTERM)
            await program.said("stopping")

            async with client.get("/load") as load, client.get("/load", headers={"Accept": "text/event-stream"}) as new:
                assert (await load.json())["ollama"]["coming"] == 1
                gate.release()
                async with await in_flight as answered:
                    assert (await answered.json())["response"]
                ends = [await last_load(stream) for stream in (before, new)]

    assert await program.left() == 0
    assert [(load["working"], load["ollama"]["working"], load["ollama"]["coming"]) for load in ends] == [(0, 0, 0)] * 2
    assert (program.lines[-1]["message"], program.lines[-1]["cancelled"]) == ("stopped", 0)


async def test_streams_of_the_load_do_not_delay_the_exit(run: Run) -> None:
    program = await run(DRAIN_TIMEOUT=str(10 * DEADLINE))
    async with (
        await started(program) as client,
        client.get("/load", headers={"Accept": "text/event-stream"}) as stream,
    ):
        program.signal(signal.SIGTERM)

        await last_load(stream)
        assert await program.left() == 0

    assert program.lines[-1]["cancelled"] == 0


async def test_streams_of_the_load_do_not_count_as_cancelled_requests(run: Run, asr: FakeAsrWebservice) -> None:
    program = await run(DRAIN_TIMEOUT="0.2")
    gate = asr.hold(Point.BEFORE_ANSWER)
    async with await started(program) as client, client.get("/load", headers={"Accept": "text/event-stream"}) as stream:
        in_flight = asyncio.create_task(client.post("/process", data=form(WAV)))
        await gate.reached()

        program.signal(signal.SIGTERM)

        assert (await program.said("stopped"))["cancelled"] == 1
        assert (await last_load(stream))["working"] == 1
        assert await program.left() == 0
        with pytest.raises(aiohttp.ClientError):
            await in_flight


async def test_exits_at_once_without_requests_in_flight_despite_open_connections(run: Run) -> None:
    program = await run()
    async with await started(program) as client:
        async with client.get("/health") as response:
            assert response.status == 200

        program.signal(signal.SIGTERM)

        assert await program.left() == 0


async def test_cancels_requests_that_do_not_finish_in_time(run: Run, asr: FakeAsrWebservice) -> None:
    program = await run(DRAIN_TIMEOUT="0.2")
    gate = asr.hold(Point.BEFORE_ANSWER)
    async with await started(program) as client:
        in_flight = asyncio.create_task(client.post("/process", data=form(WAV)))
        await gate.reached()

        program.signal(signal.SIGTERM)
        stopped = await program.said("stopped")
        code = await program.left()
        with pytest.raises(aiohttp.ClientError):
            await in_flight

    assert (code, stopped["cancelled"]) == (0, 1)
    assert not [line for line in program.lines if "exception" in line]


LONG = Transcript(tuple(Segment(float(n), n + 1.0, f" {'word ' * 2000}") for n in range(2000)), duration=2000.0)
"""Some 20 MB of JSON: more than the buffers of a socket."""


async def test_a_response_is_sent_to_its_last_byte_although_its_client_reads_slowly(run: Run) -> None:
    async with FakeSpeechWhisper(LONG) as whisper:
        program = await run(WHISPER_URL=whisper.url, TRANSCRIBER="openai")
        data = form(WAV, response_format="verbose_json")
        async with (
            await started(program) as client,
            client.post("/v1/audio/transcriptions", data=data) as response,  # its head has arrived
            aiohttp.ClientSession(program.url) as probe,
        ):
            program.signal(signal.SIGTERM)
            await program.said("stopping")
            async with probe.get("/readyz") as ready:
                assert (await ready.json())["status"] == "stopping"
            assert len((await response.json())["segments"]) == len(LONG.segments)

        assert await program.left() == 0
    assert (program.lines[-1]["message"], program.lines[-1]["cancelled"]) == ("stopped", 0)


async def test_a_response_that_is_not_read_in_time_counts_as_cancelled(run: Run) -> None:
    async with FakeSpeechWhisper(LONG) as whisper:
        program = await run(WHISPER_URL=whisper.url, TRANSCRIBER="openai", DRAIN_TIMEOUT="0.2")
        data = form(WAV, response_format="verbose_json")
        async with await started(program) as client, client.post("/v1/audio/transcriptions", data=data) as response:
            program.signal(signal.SIGTERM)
            stopped = await program.said("stopped")
            code = await program.left()
            with pytest.raises(aiohttp.ClientError):
                await response.read()

    assert (code, stopped["cancelled"]) == (0, 1)
    assert not [line for line in program.lines if "exception" in line]


async def test_a_port_in_use_is_logged_and_the_exit_code_is_1(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        program = await run(SERVER_PORT=str(taken.getsockname()[1]))

        assert await program.left() == 1

    assert program.lines[-1]["message"] == "cannot listen"
    assert not [line for line in program.lines if "exception" in line]


async def test_every_line_of_the_log_is_json_with_the_requests_id(run: Run) -> None:
    program = await run()
    async with await started(program) as client:
        headers = {"X-Request-ID": "call-42"}
        async with client.post("/process", data=form(WAV, prompt="Kumquat:"), headers=headers) as response:
            await response.read()
        async with Connection.to(program.url) as connection:
            await connection.send(b"kumquat\r\n\r\n")
            await connection.reply()
        async with Connection.to(program.url) as connection:
            await connection.send(head("/process", length=1000), b"kumquat")

        program.signal(signal.SIGTERM)
        await program.left()

    request = next(line for line in program.lines if line["message"] == "request")
    assert (request["request_id"], request["route"], request["status"]) == ("call-42", "/process", 200)
    assert all({"time", "level", "message"} <= set(line) for line in program.lines)
    assert "umquat" not in json.dumps(program.lines)
