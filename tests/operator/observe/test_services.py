"""Health of polled services."""

import pytest

from fakes.faults import Answer
from fakes.ollama import FakeOllama
from speechoperator.observe import services
from speechoperator.ollama.client import OllamaClient
from speechoperator.plan.snapshot import Health

pytestmark = pytest.mark.unit


async def test_a_service_that_answers_is_healthy_whatever_it_says() -> None:
    async with FakeOllama() as service:
        assert await services.whisper(f"{service.url}/nothing", 5, responds_while_busy=True) == Health(healthy=True)
        service.script(Answer(502), only=lambda _: True)
        assert not (await services.whisper(service.url, 5, responds_while_busy=True)).healthy
        await service.go_away()
        gone = await services.whisper(service.url, 5, responds_while_busy=True)
        assert gone == Health(healthy=False, detail="Connection refused")


async def test_an_ollama_elsewhere_says_what_it_has_or_why_not() -> None:
    async with OllamaClient(timeout=5, stall_timeout=5) as client, FakeOllama() as service:
        assert (await services.ollama(client, service.url)).reachable
        await service.go_away()
        assert (await services.ollama(client, service.url)).detail == "Connection refused"
