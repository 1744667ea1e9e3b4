"""The reconciler that several folders test."""

from collections.abc import AsyncIterator

import pytest

from fakes.api_server import ApiServer
from fakes.reconciler_bench import Bench, pipeline
from speechoperator.ollama.client import OllamaClient


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with OllamaClient(timeout=5, stall_timeout=5) as ollama:
        api = ApiServer()
        api.have(pipeline())
        bench = Bench(api, ollama)
        yield bench
        await bench.pulls.close()
        bench.poller.close()
        bench.loads.close()
