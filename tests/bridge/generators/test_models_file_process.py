"""A bridge in a process of its own, whose list of models changes under traffic."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.running import WAV, form
from contract.services.programs import BRIDGE, DEADLINE_S
from fakes.ollama import FakeOllama
from fakes.speech_whisper import FakeSpeechWhisper

pytestmark = pytest.mark.component

CLIENTS = 4


def write(file: Path, *names: str) -> None:
    """Replace the file at once, as the kubelet does."""
    new = file.with_suffix(".new")
    new.write_text(json.dumps({"models": [{"name": name} for name in names]}), encoding="utf-8")
    new.replace(file)


async def ask(client: aiohttp.ClientSession, **fields: str) -> tuple[int, Any, Any]:
    async with client.post("/process", data=form(WAV, **fields)) as response:
        answer = await response.json()
        return response.status, answer.get("model"), answer.get("error")


async def test_no_request_is_refused_while_models_come_and_go(tmp_path: Path) -> None:
    file, stopped = tmp_path / "models.json", asyncio.Event()
    write(file, "one:1b")
    answers: list[tuple[int, Any, Any]] = []

    async def keep_asking(client: aiohttp.ClientSession) -> None:
        while not stopped.is_set():
            answers.append(await ask(client, model="one:1b"))

    async with FakeSpeechWhisper() as whisper, FakeOllama(models=["one:1b", "two:2b"]) as ollama:
        settings = {"WHISPER_URL": whisper.url, "OLLAMA_URL": ollama.url, "TRANSCRIBER": "openai"}
        with BRIDGE.serving(tmp_path, **settings, MODELS_FILE=str(file)) as process:
            port = (await asyncio.to_thread(process.said, "listening"))["port"]
            async with (
                aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=aiohttp.ClientTimeout(DEADLINE_S)) as client,
                asyncio.timeout(DEADLINE_S),
                asyncio.TaskGroup() as group,
            ):
                for _ in range(CLIENTS):
                    group.create_task(keep_asking(client))
                assert (await ask(client, model="two:2b"))[0] == 404
                write(file, "two:2b", "one:1b")
                while (await ask(client))[1] != "two:2b":
                    pass
                assert await ask(client, model="two:2b") == (200, "two:2b", None)
                file.write_text("no list", encoding="utf-8")
                await asyncio.to_thread(process.said, "cannot use the list of models, keeping the old one")
                write(file, "one:1b")
                while (await ask(client, model="two:2b"))[0] != 404:
                    pass
                stopped.set()

            assert set(answers) == {(200, "one:1b", None)}
            assert not [line for line in process.lines if "exception" in line or line["level"] == "error"]
