"""The script of `helm test`, against a bridge that says what a test wrote down; e2e runs it against the real one."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from speechlocal.paths import CHART

pytestmark = pytest.mark.unit

SCRIPT = CHART / "files" / "ask.py"
HEARD = "Unless to be rather cold-hearted and rather selfish is to be ill-disposed."
ANSWER = {"transcription": HEARD, "response": "He is not.", "model": "smollm2:135m"}
BUSY = {"code": "busy", "title": "Too many requests"}


class Bridge:
    """Answers in the order of `answers`, the last one for ever; `keys` are those that came."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, Any]]] = [(200, ANSWER)]
        self.keys: list[str | None] = []
        self.recordings: list[bytes] = []
        self.url = ""

    async def process(self, request: web.Request) -> web.Response:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        self.recordings.append(file.file.read())
        self.keys.append(request.headers.get("Authorization"))
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.json_response(body, status=status)


@pytest.fixture
async def bridge() -> AsyncIterator[Bridge]:
    scripted = Bridge()
    app = web.Application()
    app.router.add_post("/process", scripted.process)
    async with TestServer(app) as server:
        scripted.url = str(server.make_url("/")).rstrip("/")
        yield scripted


async def ask(*arguments: str, **environment: str) -> tuple[int | None, str]:
    """Exit code and output of the script."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SCRIPT), *arguments),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"TIMEOUT": "5"} | environment,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_transcript_and_answer_pass(bridge: Bridge) -> None:
    code, said = await ask(bridge.url, str(SCRIPT.parent))

    assert code == 0, said
    assert "transcript: 100% similar" in said
    assert bridge.recordings == [(SCRIPT.parent / "recording.ogg").read_bytes()]


@pytest.mark.parametrize(
    "wrong",
    [
        {"transcription": "Thank you for watching."},
        {"response": ""},
        {"response": "Ollama processing failed: no", "error": {"code": "model_missing", "message": "no"}},
    ],
)
async def test_wrong_answer_fails(bridge: Bridge, wrong: dict[str, Any]) -> None:
    bridge.answers = [(200, ANSWER | wrong)]

    code, said = await ask(bridge.url, str(SCRIPT.parent))

    assert code == 1, said


async def test_busy_bridge_is_asked_again(bridge: Bridge) -> None:
    bridge.answers = [(503, BUSY), (200, ANSWER)]

    code, said = await ask(bridge.url, str(SCRIPT.parent))

    assert code == 0
    assert 'HTTP 503: {"code": "busy"' in said


async def test_refused_request_fails_at_once_with_the_bridges_words(bridge: Bridge) -> None:
    bridge.answers = [(401, {"code": "no_key", "title": "An API key is needed"})]

    code, said = await ask(bridge.url, str(SCRIPT.parent))

    assert code == 1
    assert "An API key is needed" in said
    assert len(bridge.keys) == 1


async def test_mounted_api_key_is_sent(bridge: Bridge, tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()  # as Kubernetes mounts a Secret
    (tmp_path / "support").write_text("s3cret\n")

    await ask(bridge.url, str(SCRIPT.parent), API_KEYS_DIR=str(tmp_path))

    assert bridge.keys == ["Bearer s3cret"]


async def test_nothing_there_fails_in_time() -> None:
    code, said = await ask("http://127.0.0.1:9", TIMEOUT="1")

    assert code == 1
    assert "no successful response within 1 s" in said
