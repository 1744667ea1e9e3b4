"""The models of the operator's own pods."""

import pytest

from fakes.ollama import FakeOllama
from speechoperator.observe import services
from speechoperator.ollama.client import OllamaClient

pytestmark = pytest.mark.unit


async def test_an_ollama_says_what_it_has_or_why_not() -> None:
    async with OllamaClient(timeout=5, stall_timeout=5) as client, FakeOllama() as service:
        assert (await services.ollama(client, service.url)).reachable
        await service.go_away()
        assert (await services.ollama(client, service.url)).detail == "Connection refused"
