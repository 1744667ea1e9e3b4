"""The models of the operator's own pods."""

import pytest

from fakes.faults import Answer
from fakes.ollama import FakeOllama
from speechoperator.observe import services
from speechoperator.ollama.client import OllamaClient
from speechoperator.plan.snapshot import OllamaPod

pytestmark = pytest.mark.unit


async def test_an_ollama_says_what_it_has_or_why_not() -> None:
    async with OllamaClient(timeout=5, stall_timeout=5) as client, FakeOllama() as service:
        assert (await services.ollama(client, service.url)).reachable
        await service.go_away()
        assert (await services.ollama(client, service.url)).detail == "Connection refused"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(body=b'{"models": [{"model": "llama3"}]}'), "models.0.name: Field required"),
        (Answer(body=b'[{"error": "not today"}]'), "not today"),
        (Answer(body=b"<html>welcome</html>"), "<html>welcome</html>"),
        (Answer(body=b'{"models": "none"}'), "models: Input should be a valid"),
        (Answer(body=b"[" * 5_000_000), "bytes"),
        (Answer(502, body=b'["bad gateway"]'), "HTTP 502: Bad Gateway"),
        (Answer(500, body=b'{"error": {"message": "no"}}'), "HTTP 500"),
        (Answer(500, body=b'{"error": "%s"}' % (b"x" * 1900)), "xxx"),
        (Answer(302, headers={"Location": "/elsewhere"}), "HTTP 302: Found"),
    ],
)
async def test_an_answer_that_is_not_an_ollamas_is_a_failure_in_a_few_words(answer: Answer, said: str) -> None:
    async with OllamaClient(timeout=5, stall_timeout=5) as client, FakeOllama() as service:
        service.script(answer, only=lambda _: True)
        found = await services.ollama(client, service.url)
    assert not found.reachable
    assert said in found.detail
    assert len(found.detail) < 600


async def test_no_models_may_be_written_as_null() -> None:
    async with OllamaClient(timeout=5, stall_timeout=5) as client, FakeOllama() as service:
        service.script(Answer(body=b'{"models": null}'), only=lambda _: True)
        assert await services.ollama(client, service.url) == OllamaPod(reachable=True)
