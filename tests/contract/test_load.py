"""`/load`: what the operator follows, of the fakes and of the real bridge and Whisper server."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from yarl import URL

from contract.loads import DEADLINE_S
from contract.recordings import form
from contract.services.programs import BRIDGE, WHISPER
from contract.shapes import NUMBER, assert_shape
from fakes import load
from fakes.load import FakeLoad
from fakes.ollama import FakeOllama
from fakes.speech_whisper import FakeSpeechWhisper
from speechbridge.admission.retry_after import Backlog
from speechbridge.model_list import ModelList, Models
from speechbridge.stages.demand import Demand
from speechbridge.stages.load import Load
from speechoperator.observe.egress import Egress
from speechoperator.observe.load_reports import BridgeReport, Heard, sent_to_pods
from speechoperator.observe.load_stream import LoadClient
from speechoperator.plan.scaling.load import Report

pytestmark = pytest.mark.unit

FOLLOW = {"Accept": "text/event-stream"}
COMMON = {
    "held": int,
    "waiting": int,
    "working": int,
    "audio_seconds_waiting": NUMBER,
    "audio_seconds_working": NUMBER,
    "audio_seconds_per_second": NUMBER,
    "oldest_wait_seconds": NUMBER,
}
OF_WHISPER = {**COMMON, "slots": int}
OF_OLLAMA = {"held": int, "waiting": int, "working": int, "coming": int, "pods": {...: int}}
OF_BRIDGE = {**COMMON, "audio_seconds_held": NUMBER, "pods": {...: int}, "ollama": OF_OLLAMA, "models_revision": str}
UNKNOWN = {"slots", "coming"}
"""What a bridge does not report of Whisper."""


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A bridge and a Whisper server, which decodes by a script."""
    folder = tmp_path_factory.mktemp
    with BRIDGE.serving(folder("bridge")) as bridge, WHISPER.serving(folder("whisper")) as whisper:
        started = {"bridge": bridge, "whisper": whisper}
        yield {name: f"http://127.0.0.1:{process.said('listening')['port']}" for name, process in started.items()}


@pytest.fixture(params=["fake", "real"])
async def whisper(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    if request.param == "real":
        yield request.getfixturevalue("processes")["whisper"]
        return
    async with FakeLoad(load.WHISPER) as fake:
        yield fake.url


@pytest.fixture(params=["fake", "real"])
async def bridge(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    if request.param == "real":
        yield request.getfixturevalue("processes")["bridge"]
        return
    async with FakeLoad(load.BRIDGE) as fake:
        yield fake.url


@pytest.fixture
async def client() -> AsyncIterator[LoadClient]:
    async with LoadClient(Egress(())) as one:
        yield one


async def both(http: ClientSession, client: LoadClient, url: str) -> list[Any]:
    """The load as JSON, and as the first event that the operator reads."""
    async with http.get(f"{url}/load") as response:
        assert response.status == 200
        assert response.content_type == "application/json"
        found = [await response.json()]
    async with asyncio.timeout(DEADLINE_S), aclosing(client.events(url)) as events:
        return [*found, await anext(events)]


async def test_the_load_of_a_whisper_pod(http: ClientSession, client: LoadClient, whisper: str) -> None:
    for document in await both(http, client, whisper):
        assert_shape(document, OF_WHISPER)
        report = Report.parse(document)
        assert [name for name in Report.__slots__ if getattr(report, name) is None] == ["coming"], "bridges report it"


async def test_the_load_of_a_bridge(http: ClientSession, client: LoadClient, bridge: str) -> None:
    for document in await both(http, client, bridge):
        assert_shape(document, OF_BRIDGE)
        report = BridgeReport.parse(document)
        assert {name for name in Report.__slots__ if getattr(report.whisper, name) is None} == UNKNOWN
        held, ollama = report.held, report.ollama
        assert None not in {held.held, held.audio_seconds_waiting}
        assert (report.sent_to_whisper, report.sent_to_ollama) == ({}, {})
        assert None not in {ollama.held, ollama.waiting, ollama.working, ollama.coming}


@pytest.mark.parametrize("address", ["10.0.3.17", "2001:db8::1"])
def test_the_operator_knows_the_pods_that_a_bridge_reports(address: str) -> None:
    demand, models = Demand(lambda: 0.0, lambda: True), Models(ModelList(("llama3",), {}))
    told = Load(demand, demand, Backlog(), models, (dict, lambda: {address: 2})).document()
    heard = Heard("bridge", "b-0", ready=True, report=BridgeReport.parse(told), age=0.0)

    found = sent_to_pods([heard], "ollama", {"o-0": [address], "o-1": ["10.0.3.18"]})

    assert {pod: report.working for pod, report in found.items()} == {"o-0": 2, "o-1": 0}


@pytest.mark.parametrize("server", ["whisper", "bridge"])
async def test_the_stream_is_neither_cached_nor_buffered(
    http: ClientSession, processes: dict[str, str], server: str
) -> None:
    async with http.get(f"{processes[server]}/load", headers=FOLLOW) as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["X-Accel-Buffering"] == "no"


class Names:
    """The name server of a bridge: the pods that its upstreams have."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._pods: dict[str, list[str]] = {}
        self.have(whisper=[], ollama=[])

    def have(self, **pods: list[str]) -> None:
        self._pods |= pods
        draft = self.file.with_suffix(".new")
        draft.write_text(json.dumps(self._pods), encoding="utf-8")
        draft.replace(self.file)


async def test_a_request_from_zero_wakes_first_whisper_and_then_ollama(
    http: ClientSession, client: LoadClient, tmp_path: Path
) -> None:
    """A real bridge, seen as the operator sees it; the test starts the pods."""
    names, seen = Names(tmp_path / "names.json"), asyncio.Queue[BridgeReport]()

    async def follow(url: str) -> None:
        async with aclosing(client.events(url)) as events:
            async for members in events:
                if members is not None:
                    seen.put_nowait(BridgeReport.parse(members))

    async def held(by: str) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not getattr(await seen.get(), by).held:
                pass

    async with FakeSpeechWhisper() as whisper, FakeOllama() as ollama:
        settings = {
            "WHISPER_URL": f"http://whisper:{URL(whisper.url).port}",
            "OLLAMA_URL": f"http://ollama:{URL(ollama.url).port}",
            "TRANSCRIBER": "openai",
            "MODELS": "smollm2:135m",
            "HOLD_TIMEOUT": f"{DEADLINE_S:g}",
        }
        with BRIDGE.serving(tmp_path, f"--names={names.file}", **settings) as process:
            url = f"http://127.0.0.1:{(await asyncio.to_thread(process.said, 'listening'))['port']}"
            following = asyncio.create_task(follow(url))
            asking = asyncio.create_task(http.post(f"{url}/process", data=form("file")))
            try:
                await held("held")
                names.have(whisper=["127.0.0.1"])
                await held("ollama")
                names.have(ollama=["127.0.0.1"])
                response = await asking
                assert (response.status, (await response.json()).get("error")) == (200, None)
            finally:
                following.cancel()
                asking.cancel()
