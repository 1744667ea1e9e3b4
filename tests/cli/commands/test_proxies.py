"""The commands in front of a bridge that is reached by a proxy."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.running import WAV
from speechcli.__main__ import parser
from speechcli.commands.ask import ask
from speechcli.commands.bench import bench
from speechcli.commands.transcribe import transcribe_files
from speechcli.errors import RequestError

pytestmark = pytest.mark.unit

URL = "http://speech.invalid"


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    path = tmp_path / "voice.wav"
    path.write_bytes(WAV)
    return path


@pytest.fixture
async def proxied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[web.BaseRequest]]:
    """The requests that a proxy gets; ~/.netrc has a password for the host that they are for."""
    requests: list[web.BaseRequest] = []

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        requests.append(request)
        return web.json_response({"error": {"code": "not_audio", "message": "no audio"}}, status=400)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine speech.invalid login jo password secret\n")
    netrc.chmod(0o600)
    async with TestServer(app) as server:
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("http_proxy", str(server.make_url("")))
        monkeypatch.setenv("HTTP_PROXY", str(server.make_url("")))
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
        yield requests


def is_plain(requests: list[web.BaseRequest]) -> bool:
    return bool(requests) and not any("Authorization" in request.headers for request in requests)


async def test_ask_uses_the_proxy_and_no_passwords_of_netrc(proxied: list[web.BaseRequest], voice: Path) -> None:
    with pytest.raises(RequestError, match="no audio"):
        await ask(parser("ask").parse_args(["calls", str(voice), "--url", URL]))

    assert is_plain(proxied)


async def test_transcribe_uses_the_proxy_and_no_passwords_of_netrc(proxied: list[web.BaseRequest], voice: Path) -> None:
    await transcribe_files(parser("transcribe").parse_args(["calls", str(voice), "-o", "srt", "--url", URL]))

    assert is_plain(proxied)


async def test_bench_uses_the_proxy_and_no_passwords_of_netrc(proxied: list[web.BaseRequest], voice: Path) -> None:
    given = ["calls", "--audio", str(voice), "--url", URL, "--requests", "4", "--clients", "1"]

    await bench(parser("bench").parse_args(given))

    assert is_plain(proxied)
