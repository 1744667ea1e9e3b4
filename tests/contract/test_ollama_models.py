"""Derived models, and models in memory: FakeOllamaPod against Ollama 0.17.4, through the operator's client."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from contract.conftest import both
from fakes.ollama_models import Model
from fakes.ollama_pod import FakeOllamaPod, Volume
from speechoperator.errors import OllamaError
from speechoperator.ollama.client import OllamaClient

BASE = "smollm2:135m"
OPTIONS = {"options": {"num_ctx": 256, "num_thread": 1}}


@dataclass(frozen=True)
class Server:
    """An Ollama with `BASE`; what a case creates is removed after it."""

    url: str
    client: OllamaClient

    async def digests(self) -> dict[str, str]:
        return await self.client.models(self.url)


@pytest.fixture
async def fake_server() -> AsyncIterator[str]:
    async with FakeOllamaPod(volume=Volume({BASE: Model(BASE)})) as pod:
        yield pod.url


@pytest.fixture
def real_server(real_ollama: str) -> str:
    return real_ollama


@both
def address(request: pytest.FixtureRequest) -> str:
    found = request.getfixturevalue(f"{request.param}_server")
    assert isinstance(found, str)
    return found


@pytest.fixture
async def server(address: str) -> AsyncIterator[Server]:
    async with OllamaClient(timeout=10.0, stall_timeout=30.0) as client:
        found = Server(address, client)
        before = await found.digests()
        yield found
        for name in await found.digests():
            if name not in before:
                await client.delete(found.url, name)


async def create(server: Server, name: str, system: str) -> str:
    """Create a model, and return its digest."""
    defined = {"from": BASE, "system": system, "parameters": {"temperature": 0, "stop": ["END"]}}
    await server.client.create(server.url, name, defined)
    return (await server.digests())[f"{name}:latest"]


async def test_a_copy_has_the_digest_of_what_it_copies(server: Server) -> None:
    """So the marker of a derived model tells whether it is the one that was created."""
    digest = await create(server, "support", "Be brief.")
    await server.client.copy(server.url, "support", "speechpipeline/0123456789abcdef:latest")

    assert (await server.digests())["speechpipeline/0123456789abcdef:latest"] == digest


async def test_another_definition_gives_another_digest(server: Server) -> None:
    first = await create(server, "support", "Be brief.")
    second = await create(server, "support", "Be polite.")

    assert len({first, second, (await server.digests())[BASE]}) == 3


async def test_a_model_without_its_base_cannot_be_created(server: Server) -> None:
    """Ollama tries to pull the base; no registry listens at this address."""
    with pytest.raises(OllamaError):
        await server.client.create(
            server.url, "support", {"from": "127.0.0.1:1/library/nowhere", "system": "Be brief."}
        )

    assert "support:latest" not in await server.digests()


async def test_a_load_shows_in_the_memory_and_the_next_request_finds_it(server: Server) -> None:
    await server.client.load(server.url, BASE, {**OPTIONS, "keep_alive": "5m"})

    (running,) = await server.client.running(server.url)
    assert running.name == BASE
    assert running.size is not None
    assert running.size > 0
    assert running.size_vram is not None
    assert running.expires_at is not None


async def test_a_model_that_does_not_exist_cannot_be_loaded(server: Server) -> None:
    with pytest.raises(OllamaError, match="not found"):
        await server.client.load(server.url, "nowhere", OPTIONS)
