"""The list of models in a file, which changes while the bridge runs."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.running import Bridge, StartBridge
from bridge.wire import DEADLINE
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.whisper import FakeAsrWebservice
from speechbridge import model_list
from speechbridge.generators import models_file
from speechbridge.model_list import ModelList
from speechbridge.settings import Settings

pytestmark = pytest.mark.unit

ONE, TWO = {"name": "one:1b"}, {"name": "two:2b"}
WARNING = "cannot use the list of models, keeping the old one"


class Mounted:
    """A ConfigMap as the kubelet mounts it: a link, through a folder that is replaced at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions = 0
        self.path = folder / "models.json"

    def has(self, *models: dict[str, Any]) -> None:
        self.contains(json.dumps({"models": models}))

    def contains(self, text: str) -> None:
        self._versions += 1
        version, link = self._folder / f"..{self._versions}", self._folder / "..new"
        version.mkdir()
        (version / "models.json").write_text(text, encoding="utf-8")
        link.symlink_to(version.name)
        link.replace(self._folder / "..data")
        if not self.path.is_symlink():
            self.path.symlink_to("..data/models.json")


@pytest.fixture(autouse=True)
def read_without_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_file, "REREAD_S", 0.01)


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    found = Mounted(tmp_path)
    found.has(ONE)
    return found


@pytest.fixture
async def ollama() -> AsyncIterator[FakeOllama]:
    async with FakeOllama(models=["one:1b", "two:2b"]) as fake:
        yield fake


@pytest.fixture
async def bridge(start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama, mounted: Mounted) -> Bridge:
    return await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, models_file=str(mounted.path))


async def offered(bridge: Bridge) -> list[str]:
    """The language models in `/v1/models`."""
    async with bridge.client.get("/v1/models") as response:
        return [model["id"] for model in (await response.json())["data"] if model["id"] != "whisper-1"]


async def adopted(bridge: Bridge, *names: str) -> None:
    """Wait until the bridge offers these models."""
    async with asyncio.timeout(DEADLINE):
        while await offered(bridge) != list(names):  # noqa: ASYNC110 - it has no event for that
            await asyncio.sleep(0)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The reasons of the warnings about the list."""
    records = [record for record in caplog.records if record.getMessage() == WARNING]
    return [record.__dict__["fields"]["reason"] for record in records]


async def read_again(bridge: Bridge) -> None:
    """Have the bridge read the file now, and once more."""
    for _ in range(2):
        assert bridge.service.models_file
        await bridge.service.models_file.read()


async def test_a_model_that_is_added_is_offered_and_answered(bridge: Bridge, mounted: Mounted) -> None:
    assert (await bridge.json(model="two:2b"))[0] == 404

    mounted.has(ONE, TWO)
    await adopted(bridge, "one:1b", "two:2b")

    status, answer = await bridge.json(model="two:2b")
    assert (status, answer["model"], answer.get("error")) == (200, "two:2b", None)


async def test_the_first_model_is_the_default(bridge: Bridge, mounted: Mounted) -> None:
    mounted.has(TWO, ONE)
    await adopted(bridge, "two:2b", "one:1b")

    assert (await bridge.json())[1]["model"] == "two:2b"


async def test_a_model_that_is_removed_is_not_offered_but_a_request_in_progress_is_answered(
    bridge: Bridge, mounted: Mounted, asr: FakeAsrWebservice
) -> None:
    mounted.has(ONE, TWO)
    await adopted(bridge, "one:1b", "two:2b")
    gate = asr.hold(Point.BEFORE_ANSWER)
    request = asyncio.create_task(bridge.json(model="two:2b"))
    await gate.reached()

    mounted.has(ONE)
    await adopted(bridge, "one:1b")

    assert (await bridge.json(model="two:2b"))[0] == 404
    gate.release()
    status, answer = await request
    assert (status, answer["model"], answer.get("error")) == (200, "two:2b", None)


async def test_requests_carry_the_options_of_the_new_list(bridge: Bridge, mounted: Mounted, ollama: FakeOllama) -> None:
    mounted.has({**ONE, "options": {"num_ctx": 2048}, "keep_alive": "-1"}, TWO)
    await adopted(bridge, "one:1b", "two:2b")

    await bridge.json()

    assert (ollama.work[-1].json["options"], ollama.work[-1].json["keep_alive"]) == ({"num_ctx": 2048}, -1)


async def test_readiness_waits_for_the_models_of_the_new_list(
    bridge: Bridge, mounted: Mounted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speechbridge.readiness._CACHE_TTL_S", 0.0)
    mounted.has(ONE, {"name": "three"})
    await adopted(bridge, "one:1b", "three")

    async with bridge.client.get("/readyz") as response:
        assert "the model three is not available yet" in await response.text()


async def test_a_new_model_is_a_label_of_the_metrics(bridge: Bridge, mounted: Mounted) -> None:
    mounted.has(ONE, TWO)
    await adopted(bridge, "one:1b", "two:2b")

    assert bridge.service.metrics.model_label("two:2b") == "two:2b"


async def test_whoever_follows_the_load_hears_of_the_new_list(bridge: Bridge, mounted: Mounted) -> None:
    async with bridge.client.get("/load", headers={"Accept": "text/event-stream"}) as stream:
        before = json.loads((await stream.content.readline()).removeprefix(b"data: "))
        mounted.has(ONE, TWO)
        async with asyncio.timeout(DEADLINE):
            while not (line := await stream.content.readline()).startswith(b"data: "):
                pass

    after = json.loads(line.removeprefix(b"data: "))
    assert before["models_revision"] != after["models_revision"] != ""
    assert {**before, "models_revision": after["models_revision"]} == after


@pytest.mark.parametrize("text", ["", '{"models": ["two:2b"]}'])
async def test_a_file_that_is_no_list_changes_nothing_and_is_warned_of_once(
    bridge: Bridge, mounted: Mounted, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    mounted.contains(text)
    await read_again(bridge)

    assert await offered(bridge) == ["one:1b"]
    assert len(warnings(caplog)) == 1
    mounted.has(TWO)
    await adopted(bridge, "two:2b")
    mounted.contains(text)
    await read_again(bridge)
    assert len(warnings(caplog)) == 2


async def test_a_file_that_vanishes_leaves_the_list_as_it_was(
    bridge: Bridge, mounted: Mounted, caplog: pytest.LogCaptureFixture
) -> None:
    mounted.path.unlink()
    await read_again(bridge)

    assert await offered(bridge) == ["one:1b"]
    (reason,) = warnings(caplog)
    assert "No such file" in reason
    mounted.has(ONE, TWO)
    await adopted(bridge, "one:1b", "two:2b")


async def test_a_file_that_blocks_blocks_no_request(
    bridge: Bridge, mounted: Mounted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network volume whose server is gone."""
    reading, server_is_back, read = threading.Event(), threading.Event(), model_list.read

    def blocked(path: Path) -> ModelList:
        reading.set()
        assert server_is_back.wait(DEADLINE)
        return read(path)

    monkeypatch.setattr(model_list, "read", blocked)
    await bridge.until(reading.is_set)

    assert (await bridge.json())[0] == 200

    mounted.has(TWO)
    server_is_back.set()
    await adopted(bridge, "two:2b")


async def test_the_file_replaces_the_settings(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama, mounted: Mounted
) -> None:
    bridge = await start_bridge(
        whisper_url=asr.url,
        ollama_url=ollama.url,
        models="two:2b",
        model_options='{"one:1b": {"options": {"num_ctx": 2048}}}',
        models_file=str(mounted.path),
    )

    assert await offered(bridge) == ["one:1b"]
    await bridge.json()
    assert "options" not in ollama.work[-1].json


@pytest.mark.parametrize(
    ("text", "reason"), [(None, "No such file"), ('{"models": [{}]}', r"models\.0\.name: Field required")]
)
def test_a_file_that_cannot_be_used_stops_the_start(tmp_path: Path, text: str | None, reason: str) -> None:
    file = tmp_path / "models.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")

    with pytest.raises(ValidationError, match=f"must be a readable JSON file with a list of models: .*{reason}"):
        Settings(models_file=str(file))
