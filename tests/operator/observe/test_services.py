"""Health of polled services."""

import pytest

from fakes.faults import Answer
from fakes.ollama import FakeOllama
from speechoperator.observe import services
from speechoperator.observe.egress import Egress, parse_networks
from speechoperator.ollama.client import OllamaClient
from speechoperator.plan.snapshot import Health, OllamaPod
from speechoperator.settings import Settings

pytestmark = pytest.mark.unit

ANYWHERE = Egress(())


async def test_a_service_that_answers_is_healthy_whatever_it_says() -> None:
    async with FakeOllama() as service:
        assert await services.whisper(f"{service.url}/nothing", 5, ANYWHERE, responds_while_busy=True) == Health(
            healthy=True
        )
        service.script(Answer(502), only=lambda _: True)
        assert not (await services.whisper(service.url, 5, ANYWHERE, responds_while_busy=True)).healthy
        await service.go_away()
        gone = await services.whisper(service.url, 5, ANYWHERE, responds_while_busy=True)
        assert gone == Health(healthy=False, detail="Connection refused")


async def test_an_ollama_elsewhere_says_what_it_has_or_why_not() -> None:
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


DENIED = Egress(parse_networks(Settings().url_denied_networks))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "0.0.0.0",  # noqa: S104 - another name of the own host
        "[fe80::1]",
    ],
)
async def test_a_url_leads_neither_to_the_operator_itself_nor_to_a_metadata_service(host: str) -> None:
    async with (
        FakeOllama() as service,
        OllamaClient(timeout=5, stall_timeout=5, open_socket=DENIED.socket) as client,
    ):
        url = f"http://{host}:{service.url.rpartition(':')[2]}"
        health = await services.whisper(url, 5, DENIED, responds_while_busy=True)
        ollama = await services.ollama(client, url)
        assert not health.healthy
        assert not ollama.reachable
        for detail in (health.detail, ollama.detail):
            assert "does not connect to" in detail
            assert "URL_DENIED_NETWORKS" in detail
        assert not service.requests


async def test_a_redirect_is_not_followed() -> None:
    async with FakeOllama() as service, FakeOllama() as inner:
        service.script(Answer(302, headers={"Location": inner.url}), only=lambda _: True)
        assert (await services.whisper(service.url, 5, ANYWHERE, responds_while_busy=True)).healthy, "it responds"
        assert not inner.requests


async def test_what_a_service_says_is_shown_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechoperator.observe.services._MAX_DETAIL_CHARS", 10)
    async with FakeOllama() as service:
        service.script(Answer(502), only=lambda _: True)
        found = await services.whisper(service.url, 5, ANYWHERE, responds_while_busy=True)
    assert found.detail == "HTTP 502: "
