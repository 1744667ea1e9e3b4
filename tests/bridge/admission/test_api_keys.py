"""API keys: who may use the service, once a folder with keys is set."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import openai
import pytest
from pydantic import ValidationError

from bridge.running import WAV, Bridge, StartBridge, form
from bridge.wire import Connection, head, part
from fakes.ollama import FakeOllama
from fakes.whisper import FakeAsrWebservice
from speechbridge.admission.api_keys import ApiKeys
from speechbridge.errors import Problem
from speechbridge.settings import Settings

pytestmark = pytest.mark.unit

KEYED = [("POST", "/process"), ("POST", "/v1/audio/transcriptions"), ("POST", "/v1/chat/completions")]
KEYED += [("POST", "/v1/audio/translations"), ("GET", "/v1/models"), ("GET", "/v1/models/whisper-1")]
FREE = ["/", "/health", "/livez", "/readyz", "/metrics", "/openapi.json", "/playground/app.js"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A Secret as the kubelet mounts it: links to a hidden folder."""
    hidden = tmp_path / "..2026_11_23"
    hidden.mkdir()
    (hidden / "team-a").write_text("key-of-a\n")
    (tmp_path / "..data").symlink_to(hidden.name)
    (tmp_path / "team-a").symlink_to("..data/team-a")
    return tmp_path


@pytest.fixture
async def keyed(start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama, folder: Path) -> Bridge:
    return await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, api_keys_dir=str(folder))


@pytest.mark.parametrize(("method", "path"), KEYED)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic a2V5"}])
async def test_without_a_known_key_the_api_answers_401(
    keyed: Bridge, method: str, path: str, headers: dict[str, str]
) -> None:
    async with keyed.client.request(method, path, headers=headers) as response:
        body = await response.json()

    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert (body["error"] if path.startswith("/v1") else body)["code"] == "invalid_api_key"


@pytest.mark.parametrize("headers", [{"Authorization": "bearer key-of-a"}, {"X-API-Key": "key-of-a"}])
async def test_a_known_key_opens_the_api(keyed: Bridge, headers: dict[str, str]) -> None:
    async with keyed.client.post("/process", data=form(WAV), headers=headers) as response:
        assert response.status == 200


@pytest.mark.parametrize("path", FREE)
async def test_probes_metrics_and_the_page_are_free(keyed: Bridge, path: str) -> None:
    async with keyed.client.get(path) as response:
        assert response.status == 200


@pytest.mark.parametrize("path", ["/%70rocess", "/v1%2Faudio%2Ftranscriptions", "/v1/../process", "//process"])
async def test_no_spelling_of_the_path_goes_round_the_keys(keyed: Bridge, path: str) -> None:
    parts = urlsplit(keyed.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n")
    writer.close()

    assert head.split()[1] in {b"401", b"404"}


async def test_the_refusal_comes_before_the_body(keyed: Bridge, asr: FakeAsrWebservice) -> None:
    async with keyed.client.post("/process", data=form(WAV), expect100=True) as response:
        assert response.status == 401
    assert not asr.requests


async def test_the_official_client_sees_an_authentication_error(keyed: Bridge) -> None:
    async with openai.AsyncOpenAI(base_url=f"{keyed.url}/v1", api_key="wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()
    async with openai.AsyncOpenAI(base_url=f"{keyed.url}/v1", api_key="key-of-a") as client:
        assert (await client.models.list()).data


async def test_no_key_reaches_an_upstream(keyed: Bridge, asr: FakeAsrWebservice, ollama: FakeOllama) -> None:
    headers = {"Authorization": "Bearer key-of-a", "X-API-Key": "key-of-a"}
    async with keyed.client.post("/process", data=form(WAV), headers=headers) as response:
        assert response.status == 200
    for received in (*asr.requests, *ollama.requests):
        assert "key-of-a" not in str(received)


def test_keys_come_and_go_without_a_restart(folder: Path) -> None:
    now = 0.0
    keys = ApiKeys(str(folder), lambda: now)
    (folder / "team-b").write_text("key-of-b")
    (folder / "team-a").unlink()

    keys.check({"X-API-Key": "key-of-a"})
    now = 11.0
    keys.check({"X-API-Key": "key-of-b"})
    with pytest.raises(Problem, match="invalid"):
        keys.check({"X-API-Key": "key-of-a"})


def test_a_folder_without_keys_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "blank").write_text("\n")
    keys = ApiKeys(str(tmp_path), lambda: 0.0)

    for headers in ({}, {"X-API-Key": ""}, {"X-API-Key": " "}, {"Authorization": "Bearer "}):
        with pytest.raises(Problem, match="API key is required"):
            keys.check(headers)


def test_a_folder_that_goes_away_leaves_the_keys_as_they_were(folder: Path) -> None:
    now = 0.0
    keys = ApiKeys(str(folder), lambda: now)
    folder.rename(folder.with_name("gone"))
    now = 11.0

    keys.check({"X-API-Key": "key-of-a"})


def test_a_key_that_may_not_be_read_leaves_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Root may read everything, and tests run as root in containers."""
    read = Path.read_bytes
    secret = folder / "team-b"
    secret.write_text("key-of-b\n")

    def as_another_user(path: Path) -> bytes:
        if path == secret:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", as_another_user)
    keys = ApiKeys(str(folder), lambda: 0.0)

    keys.check({"X-API-Key": "key-of-a"})
    with pytest.raises(Problem, match="The API key is invalid"):
        keys.check({"X-API-Key": "key-of-b"})
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.__dict__["fields"]["file"] == str(secret)


def test_a_folder_that_is_not_there_stops_the_start() -> None:
    with pytest.raises(ValidationError, match="must be a folder"):
        Settings(api_keys_dir="/nowhere")


async def test_a_key_that_fills_the_memory_slowly_leaves_room_for_others(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama, folder: Path
) -> None:
    (folder / "team-b").write_text("key-of-b")
    keyed = await start_bridge(
        whisper_url=asr.url, ollama_url=ollama.url, api_keys_dir=str(folder), memory_budget_bytes=2**20
    )
    memory = keyed.service.budgets.memory
    async with AsyncExitStack() as uploads:
        size = 10_000
        while memory.limit - memory.used >= 2 * size:
            before = memory.used
            connection = await uploads.enter_async_context(Connection.to(keyed.url))
            start = part("file", WAV[:100], filename="a.wav")
            await connection.send(head("/process", length=size, headers="X-API-Key: key-of-a\r\n"), start)
            reply = asyncio.create_task(connection.reply())
            await keyed.until(lambda: memory.used > before or reply.done())  # noqa: B023
            if reply.done():
                break
            uploads.callback(reply.cancel)
        async with keyed.client.post("/process", data=form(WAV), headers={"X-API-Key": "key-of-b"}) as response:
            others = response.status

    assert reply.done()
    assert (reply.result().status, reply.result().json()["code"]) == (503, "overloaded")
    assert "share" in reply.result().json()["detail"]
    assert others == 200
    await keyed.until(lambda: memory.used == 0)
