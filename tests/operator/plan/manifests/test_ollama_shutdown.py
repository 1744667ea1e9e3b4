"""A terminating Ollama pod waits for its connections to close: the preStop script itself, on real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

import goldens

pytestmark = pytest.mark.unit

DEADLINE = 30


@dataclass
class Server:
    """Listens like Ollama, on a port of its own."""

    address: str
    port: int

    async def connect(self) -> asyncio.StreamWriter:
        _, writer = await asyncio.open_connection(self.address, self.port)
        return writer


@pytest.fixture(params=["127.0.0.1", "::1"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    try:
        listening = await asyncio.start_server(serve, request.param, 0)
    except OSError:
        pytest.skip(f"this machine has no {request.param}")
    yield Server(request.param, listening.sockets[0].getsockname()[1])
    listening.close()


def script(port: int) -> str:
    """The preStop script for another port, without its initial sleep."""
    [pod] = [
        one["spec"]["template"]["spec"]
        for one in goldens.built("minimal")
        if one["kind"] == "Deployment" and one["metadata"]["name"].endswith("ollama")
    ]
    shell, option, text = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert (shell, option) == ("sh", "-c")
    assert text.count("2CAA") == 1
    return str(text.replace("2CAA", f"{port:04X}").replace("sleep 5", "").replace("sleep 1", "sleep 0.05"))


async def start(server: Server) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec("sh", "-c", script(server.port))


async def exit_code(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(DEADLINE):
        return await process.wait()


async def test_it_exits_at_once_without_connections(server: Server) -> None:
    assert await exit_code(await start(server)) == 0


async def test_a_closed_connection_delays_nothing(server: Server) -> None:
    writer = await server.connect()
    writer.close()
    await writer.wait_closed()

    assert await exit_code(await start(server)) == 0


async def test_it_waits_for_the_last_connection(server: Server) -> None:
    answers = [await server.connect(), await server.connect()]
    process = await start(server)
    answers.pop().close()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await process.wait()

    answers.pop().close()

    assert await exit_code(process) == 0


async def test_connections_to_other_ports_are_ignored(server: Server) -> None:
    """Ollama itself is connected to its runner, on another port."""
    with socket.create_server(("127.0.0.1", 0)) as runner:
        _, writer = await asyncio.open_connection(*runner.getsockname())

        assert await exit_code(await start(server)) == 0

        writer.close()
