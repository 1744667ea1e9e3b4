"""What the bridge presents to its upstreams, and that it shows its secrets to nobody else."""

import json
from pathlib import Path

import certifi
import pytest

from bridge.running import Bridge, StartBridge
from fakes.faults import Answer
from fakes.ollama import FakeOllama
from fakes.openai_chat import FakeOpenAIChat
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.whisper import FakeAsrWebservice
from speechbridge import __main__ as program
from speechbridge.credentials import Credentials, header_lines
from speechbridge.settings import Settings
from speechbridge.upstreams.discovery import origin_of
from speechbridge.upstreams.endpoint import Origin

pytestmark = pytest.mark.unit


def test_headers_are_those_of_the_settings() -> None:
    lines = header_lines("sk-1", "X-Team=speech, X-Note=a%2C%20b%3D%C3%A9")

    assert lines == "Authorization: Bearer sk-1\r\nX-Team: speech\r\nX-Note: a, b=\u00c3\u00a9\r\n"
    assert header_lines("", "") == ""


@pytest.mark.parametrize(
    ("key", "headers"),
    [
        ("sk\r\nX: y", ""),
        ("", "X-Team"),
        ("", "X Team=a"),
        ("", "X-Team=a%0D%0AX-Other: b"),
        ("", "Content-Length=0"),
        ("", "host=example.org"),
        ("", "X-Team=a,x-team=b"),
        ("sk-1", "authorization=Basic eA=="),
    ],
)
def test_headers_that_cannot_be_sent_are_refused_without_their_values(key: str, headers: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        header_lines(key, headers)

    assert not any(secret in str(refused.value) for secret in ("sk-1", "Basic", "X-Other: b"))


@pytest.mark.parametrize("generator", ["ollama", "openai"])
async def test_every_request_to_an_upstream_has_its_credentials(
    start_bridge: StartBridge,
    speech_whisper: FakeSpeechWhisper,
    ollama: FakeOllama,
    openai_chat: FakeOpenAIChat,
    generator: str,
) -> None:
    model = ollama if generator == "ollama" else openai_chat
    bridge = await start_bridge(
        whisper_url=speech_whisper.url,
        transcriber="openai",
        whisper_api_key="w-key\n",
        llm_url=model.url,
        ollama_url="http://127.0.0.1:9",
        generator=generator,
        models="",
        prompt_prefill=True,
        llm_api_key="l-key",
        llm_headers="X-Team=speech",
    )

    assert "error" not in (await bridge.json())[1]
    await chat(bridge)
    async with bridge.client.get("/readyz") as response:
        assert response.status == 200

    assert {received.headers.get("Authorization") for received in speech_whisper.requests} == {"Bearer w-key"}
    assert {received.headers.get("Authorization") for received in model.requests} == {"Bearer l-key"}
    assert {received.headers.get("X-Team") for received in model.requests} == {"speech"}
    assert len(model.requests) >= 4


async def chat(bridge: Bridge) -> None:
    body = {"messages": [{"role": "user", "content": "Hello"}]}
    headers = {"Authorization": "Bearer the-callers-own"}
    async with bridge.client.post("/v1/chat/completions", json=body, headers=headers) as response:
        assert response.status == 200


async def test_a_whisper_that_rejects_the_bridge_is_no_fault_of_the_caller(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url)
    error = {"error": {"message": "Incorrect API key w-key", "code": "invalid_api_key"}}
    asr.always(Answer(401, json.dumps(error).encode()))

    got, answer = await bridge.json()

    assert (got, answer["code"]) == (502, "transcriber_failed")
    assert "w-key" not in json.dumps(answer)


def test_a_file_of_authorities_replaces_those_of_the_system(tmp_path: Path) -> None:
    end = "-----END CERTIFICATE-----\n"
    file = tmp_path / "ca.pem"
    file.write_text(Path(certifi.where()).read_text().partition(end)[0] + end)

    tls = origin_of("https://llm", Credentials(ca_file=str(file))).tls

    assert tls
    assert len(tls.get_ca_certs()) == 1
    assert tls.check_hostname


SECRETS = {"LLM_API_KEY": "l-secret", "WHISPER_API_KEY": "w-secret", "LLM_HEADERS": "X-Key=h-secret"}


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in {**SECRETS, "SERVER_PORT": "eighty"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["speechbridge"])
    assert program.main() == 2
    monkeypatch.setattr("sys.argv", ["speechbridge", "--help"])
    with pytest.raises(SystemExit):
        program.main()
    monkeypatch.delenv("SERVER_PORT")

    origin = Origin("llm", 80, "", None, "X-Key: h-secret\r\n")
    shown = capsys.readouterr()
    for text in (shown.out, shown.err, repr(Settings()), repr(origin), repr(Credentials("X-Key: h-secret\r\n"))):
        assert "secret" not in text.replace("secretstr", "").replace("Secret", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLM_API_KEY", "l-secret\r\nX: y"),
        ("LLM_HEADERS", "X Key=h-secret"),
        ("WHISPER_HEADERS", "X-Key=%00h-secret"),
        ("LLM_URL", "https://user:u-secret@llm"),
        ("OLLAMA_URL", "ftp://user:u-secret@llm"),
        ("LLM_CA_FILE", "/no/such/file.pem"),
    ],
)
def test_an_invalid_credential_is_reported_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setattr("sys.argv", ["speechbridge"])
    monkeypatch.setenv(name, value)

    assert program.main() == 2

    reported = capsys.readouterr().err
    assert reported.startswith(f"{name}: ")
    assert "secret" not in reported
