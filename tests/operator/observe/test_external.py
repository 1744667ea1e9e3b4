"""External services: whether they respond, and which models they have, without the credentials of the bridge."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiohttp import web

from cluster import certificates
from fakes import not_utf8
from fakes.api_server import ApiServer
from fakes.faults import Answer
from fakes.ollama import FakeOllama
from fakes.openai_chat import FakeOpenAIChat
from fakes.server import FakeUpstream
from speechoperator.api import Ollama, Whisper
from speechoperator.observe.egress import Egress, parse_networks
from speechoperator.observe.external import ExternalServices
from speechoperator.ollama.client import OllamaClient
from speechoperator.plan.snapshot import Health, OllamaPod
from speechoperator.settings import Settings

if TYPE_CHECKING:
    from speechoperator.kube.client import KubeClient

pytestmark = pytest.mark.unit

ANY = {"only": lambda _: True}
CA = {"configMapName": "company-ca"}


class Probe:
    """The probes, with an API server that has the ConfigMaps."""

    def __init__(self, ollama: OllamaClient, egress: Egress) -> None:
        self.api = ApiServer()
        self._services = ExternalServices(cast("KubeClient", self.api), ollama, egress, 5)

    def have(self, **data: str) -> None:
        self.api.have({"kind": "ConfigMap", "metadata": {"name": "company-ca", "namespace": "team"}, "data": data})

    async def generator(self, url: str, **fields: Any) -> OllamaPod:
        spec = Ollama.model_validate({"models": [{"name": "llama3"}], "url": url, **fields})
        return await self._services.generator("team", spec)

    async def transcriber(self, url: str, **fields: Any) -> Health:
        return await self._services.transcriber("team", Whisper.model_validate({"url": url, **fields}))


@asynccontextmanager
async def probing(egress: Egress) -> AsyncIterator[Probe]:
    async with OllamaClient(timeout=5, stall_timeout=5, open_socket=egress.socket) as ollama:
        yield Probe(ollama, egress)


@pytest.fixture
async def probe() -> AsyncIterator[Probe]:
    async with probing(Egress(())) as one:
        yield one


async def test_a_whisper_that_responds_is_healthy_whatever_it_says(probe: Probe) -> None:
    async with FakeOllama() as service:
        assert await probe.transcriber(f"{service.url}/nothing") == Health(healthy=True)
        service.script(Answer(502), **ANY)
        assert not (await probe.transcriber(service.url)).healthy
        await service.go_away()
        assert await probe.transcriber(service.url) == Health(healthy=False, detail="Connection refused")


async def test_an_ollama_lists_its_models(probe: Probe) -> None:
    async with FakeOllama(models=["llama3:latest"]) as service:
        assert list((await probe.generator(service.url)).models) == ["llama3:latest"]


async def test_a_server_with_openais_api_lists_its_models(probe: Probe) -> None:
    async with FakeOpenAIChat(model="Qwen/Qwen3-8B") as service:
        found = await probe.generator(f"{service.url}/", protocol="openai")

    assert found == OllamaPod(reachable=True, models={"Qwen/Qwen3-8B": ""})


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(("protocol", "fake"), [("ollama", FakeOllama), ("openai", FakeOpenAIChat)])
async def test_a_server_that_wants_credentials_is_reachable(
    probe: Probe, protocol: str, fake: type[FakeUpstream], status: int
) -> None:
    async with fake() as service:
        service.script(Answer(status), Answer(status), **ANY)

        found = await probe.generator(service.url, protocol=protocol)
        whisper = await probe.transcriber(service.url)

    assert (found.reachable, found.rejected, found.models) == (True, True, {})
    assert whisper == Health(healthy=True, rejected=True)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": [{"name": "x"}]}', b'{"data": 7}', b""])
async def test_an_odd_answer_is_a_fault_and_no_exception(probe: Probe, body: bytes) -> None:
    async with FakeOpenAIChat() as service:
        service.script(Answer(200, body), **ANY)

        found = await probe.generator(service.url, protocol="openai")

    assert (found.reachable, found.detail) == (False, "it does not list models as OpenAI's API does")


async def test_a_name_that_is_no_text_can_be_written(probe: Probe) -> None:
    async with FakeOpenAIChat() as service:
        service.script(Answer(200, b'{"data": [{"id": "half of \\ud83d"}]}'), **ANY)

        assert (await probe.generator(service.url, protocol="openai")).models == {"half of ?": ""}


@pytest.mark.parametrize("protocol", ["ollama", "openai"])
async def test_a_status_line_that_is_not_utf8_can_be_written(probe: Probe, protocol: str) -> None:
    async with not_utf8.answering() as url:
        assert (await probe.generator(url, protocol=protocol)).detail == "HTTP 502: Bad G?teway"
        assert (await probe.transcriber(url)).detail == "HTTP 502: Bad G?teway"


async def test_a_server_that_is_still_loading_is_not_reachable(probe: Probe) -> None:
    async with FakeOpenAIChat() as service:
        service.ready = False

        found = await probe.generator(service.url, protocol="openai")

    assert (found.reachable, found.detail) == (False, "HTTP 503: Service Unavailable")


@pytest.mark.parametrize("protocol", ["ollama", "openai"])
async def test_a_certificate_is_verified_with_the_certificate_authorities_of_the_spec(
    probe: Probe, protocol: str, tmp_path: Path
) -> None:
    made = certificates.create(tmp_path)
    runner = await serve_models(made)
    try:
        host, port = runner.addresses[0]
        url = f"https://{host}:{port}"

        untrusted = await probe.generator(url, protocol=protocol)
        missing = await probe.generator(url, protocol=protocol, ca=CA)
        probe.have(**{"ca.crt": made.authority.read_text()})
        trusted = await probe.generator(url, protocol=protocol, ca=CA)
        whisper = await probe.transcriber(url, ca=CA), await probe.transcriber(url)
    finally:
        await runner.cleanup()

    assert untrusted.detail.startswith("its certificate is not trusted: ")
    assert (missing.reachable, missing.detail) == (False, 'ConfigMap "company-ca" not found')
    assert list(trusted.models) == ["llama3"]
    assert [health.healthy for health in whisper] == [True, False]


async def test_the_certificate_authorities_are_read_once_for_all_services_and_again_when_one_fails(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speechoperator.observe.authorities._DOUBTED_S", 0.0)
    for folder in ("made", "other"):
        (tmp_path / folder).mkdir()
    made, other = certificates.create(tmp_path / "made"), certificates.create(tmp_path / "other")
    runner = await serve_models(made)
    try:
        host, port = runner.addresses[0]
        url = f"https://{host}:{port}"
        probe.have(**{"ca.crt": other.authority.read_text()})
        assert not (await probe.generator(url, ca=CA)).reachable

        probe.have(**{"ca.crt": made.authority.read_text()})
        assert (await probe.generator(url, ca=CA)).reachable, "it is read again after a failure"
        for _ in range(3):
            assert (await probe.transcriber(url, ca=CA)).healthy
    finally:
        await runner.cleanup()

    assert [call.resource for call in probe.api.calls] == ["configmaps", "configmaps"]


async def test_services_that_are_probed_at_the_same_time_share_one_read(probe: Probe, tmp_path: Path) -> None:
    probe.have(**{"ca.crt": certificates.create(tmp_path).authority.read_text()})

    found = await asyncio.gather(*(probe.generator("https://localhost:1", ca=CA) for _ in range(5)))

    assert {one.reachable for one in found} == {False}, "nothing listens there"
    assert len(probe.api.calls) == 1


async def test_known_certificate_authorities_stay_while_the_api_server_does_not_answer(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speechoperator.observe.authorities._FRESH_S", 0.0)
    monkeypatch.setattr("speechoperator.observe.authorities._unused", lambda *_: False)
    made = certificates.create(tmp_path)
    runner = await serve_models(made)
    try:
        host, port = runner.addresses[0]
        probe.have(**{"ca.crt": made.authority.read_text()})
        assert (await probe.generator(f"https://{host}:{port}", ca=CA)).reachable
        monkeypatch.setattr(probe.api, "refuse", lambda _: (500, "etcd has no leader"))

        for _ in range(3):
            assert (await probe.generator(f"https://{host}:{port}", ca=CA)).reachable
    finally:
        await runner.cleanup()

    assert len(probe.api.calls) == 2, "what is doubted is read again, but not at once"


async def test_certificate_authorities_that_were_never_read_are_missing(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe.api, "refuse", lambda _: (500, "etcd has no leader"))

    found = await probe.generator("https://localhost:1", ca=CA)

    assert (found.reachable, "cannot be read" in found.detail) == (False, True)


async def test_certificate_authorities_that_vanish_are_missing_at_the_next_read(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe.have(**{"ca.crt": certificates.create(tmp_path).authority.read_text()})
    await probe.generator("https://localhost:1", ca=CA)
    monkeypatch.setattr("speechoperator.observe.authorities._DOUBTED_S", 0.0)
    probe.api.objects.clear()

    assert (await probe.generator("https://localhost:1", ca=CA)).detail == 'ConfigMap "company-ca" not found'


async def serve_models(made: certificates.Certificates) -> web.AppRunner:
    """Serve a list of models, in both shapes, with a certificate of a private authority."""

    async def models(_: web.Request) -> web.Response:
        listed = {"models": [{"name": "llama3"}], "data": [{"id": "llama3"}]}
        return web.Response(text=json.dumps(listed), content_type="application/json")

    app = web.Application()
    app.router.add_get("/{any:.*}", models)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.server, made.server_key)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    return runner


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"other": "x"}, 'ConfigMap "company-ca" has no key ca.crt'),
        ({"ca.crt": "x"}, 'ConfigMap "company-ca" has no certificates in PEM format in ca.crt'),
    ],
)
async def test_a_config_map_without_certificates_is_named(probe: Probe, data: dict[str, str], why: str) -> None:
    probe.have(**data)

    assert (await probe.generator("https://localhost:1", ca=CA)).detail == why
    assert (await probe.transcriber("https://localhost:1", ca=CA)).detail == why


async def test_a_config_map_that_may_not_be_read_is_named(probe: Probe) -> None:
    probe.api.refuse = lambda _: (403, "forbidden")

    assert (await probe.generator("https://localhost:1", ca=CA)).detail.startswith(
        'ConfigMap "company-ca" cannot be read'
    )


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "169.254.169.254",
        "0.0.0.0",  # noqa: S104 - another name of the own host
        "[fe80::1]",
    ],
)
@pytest.mark.parametrize("protocol", ["ollama", "openai"])
async def test_a_url_leads_neither_to_the_operator_itself_nor_to_a_metadata_service(host: str, protocol: str) -> None:
    async with FakeOllama() as service, probing(Egress(parse_networks(Settings().url_denied_networks))) as probe:
        url = f"http://{host}:{service.url.rpartition(':')[2]}"

        found = await probe.generator(url, protocol=protocol)
        health = await probe.transcriber(url)

    assert not found.reachable
    assert not health.healthy
    for detail in (health.detail, found.detail):
        assert "does not connect to" in detail
        assert "URL_DENIED_NETWORKS" in detail
    assert not service.requests


@pytest.mark.parametrize("protocol", ["ollama", "openai"])
async def test_a_redirect_is_not_followed(probe: Probe, protocol: str) -> None:
    async with FakeOllama() as service, FakeOllama() as inner:
        service.script(*[Answer(302, headers={"Location": inner.url})] * 2, **ANY)

        found = await probe.generator(service.url, protocol=protocol)
        health = await probe.transcriber(service.url)

    assert (found.reachable, found.detail) == (False, "HTTP 302: Found")
    assert health.healthy, "it responds"
    assert not inner.requests


async def test_what_a_service_says_is_shown_in_part(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechoperator.observe.external._MAX_DETAIL_CHARS", 10)
    async with FakeOllama() as service:
        service.script(Answer(502), **ANY)

        assert (await probe.transcriber(service.url)).detail == "HTTP 502: "
