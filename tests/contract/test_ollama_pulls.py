"""How Ollama takes models over from a registry: FakeOllamaPod against Ollama 0.17.4."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from contract.conftest import both, or_missing
from contract.model_registry import ModelRegistry
from contract.shapes import Maybe, assert_shape
from contract.streams import ndjson
from fakes.gates import Point
from fakes.ollama_pod import FakeOllamaPod, Registry
from speechlocal.ollama import serving

BY_THE_FAKE = "registry.example:5000/library/tiny"


@dataclass(frozen=True)
class Puller:
    """An Ollama without models and a model that it can pull.

    After `hold` a pull comes no further than halfway, until `release`; `some` waits until a part of it is there.
    """

    url: str
    model: str
    hold: Callable[[], object]
    some: Callable[[], Awaitable[object]]
    release: Callable[[], object]


@pytest.fixture
async def fake_puller() -> AsyncIterator[Puller]:
    async with FakeOllamaPod(Registry([BY_THE_FAKE])) as fake:
        gate = fake.hold(Point.BEFORE_CHUNK)
        gate.release()

        async def some() -> None:
            await gate.reached()
            gate.step()
            await gate.reached()

        yield Puller(fake.url, BY_THE_FAKE, gate.hold, some, gate.release)


@pytest.fixture
async def real_puller(tmp_path: Path) -> AsyncIterator[Puller]:
    with or_missing("Ollama"):
        async with ModelRegistry() as registry, serving(tmp_path, environment={"OLLAMA_NOPRUNE": "1"}) as url:
            half = registry.half_sent.wait
            yield Puller(url, registry.model, registry.flows.clear, half, registry.flows.set)


@both
def puller(request: pytest.FixtureRequest) -> Puller:
    found = request.getfixturevalue(f"{request.param}_puller")
    assert isinstance(found, Puller)
    return found


async def pull(http: ClientSession, puller: Puller, model: str) -> list[dict[str, Any]]:
    answer = await http.post(f"{puller.url}/api/pull", json={"model": model, "insecure": True})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-ndjson")
    return await ndjson(answer)


def step(**more: Any) -> dict[str, Any]:
    return {"status": str, "digest": str, "total": int, **more}


async def test_a_pull_tells_of_each_layer_and_ends_with_success(puller: Puller, http: ClientSession) -> None:
    lines = await pull(http, puller, puller.model)

    assert lines[0] == {"status": "pulling manifest"}
    assert [line["status"] for line in lines[-3:]] == ["verifying sha256 digest", "writing manifest", "success"]
    for line in lines[1:-3]:
        assert_shape(line, step(completed=Maybe(int)))
        assert line["status"] == f"pulling {line['digest'].removeprefix('sha256:')[:12]}"
    completed = {line["digest"]: (line.get("completed", 0), line["total"]) for line in lines[1:-3]}
    assert all(there == total for there, total in completed.values())
    listed = await (await http.get(f"{puller.url}/api/tags")).json()
    assert [model["name"] for model in listed["models"]] == [f"{puller.model}:latest"]


async def test_what_is_there_is_not_pulled_again(puller: Puller, http: ClientSession) -> None:
    await pull(http, puller, puller.model)
    lines = await pull(http, puller, puller.model)

    assert all(line["completed"] == line["total"] for line in lines if "digest" in line)
    assert lines[-1] == {"status": "success"}


async def test_an_unknown_model_is_an_error_under_status_200(puller: Puller, http: ClientSession) -> None:
    lines = await pull(http, puller, f"{puller.model}-of-mine")

    assert lines == [{"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}]


async def test_a_pull_whose_client_leaves_stops_and_the_next_goes_on(puller: Puller, http: ClientSession) -> None:
    puller.hold()
    async with http.post(f"{puller.url}/api/pull", json={"model": puller.model, "insecure": True}) as answer:
        await puller.some()
        async for line in answer.content:
            if json.loads(line).get("completed"):
                break
    assert not (await (await http.get(f"{puller.url}/api/tags")).json())["models"]
    puller.release()
    lines = await pull(http, puller, puller.model)

    assert next(line for line in lines if "digest" in line).get("completed", 0) > 0
    assert lines[-1] == {"status": "success"}


async def test_a_model_gets_another_name(puller: Puller, http: ClientSession) -> None:
    await pull(http, puller, puller.model)
    copied = await http.post(f"{puller.url}/api/copy", json={"source": puller.model, "destination": "tiny"})
    deleted = await http.delete(f"{puller.url}/api/delete", json={"model": puller.model})

    assert (copied.status, await copied.read()) == (200, b"")
    assert (deleted.status, await deleted.read()) == (200, b"")
    listed = await (await http.get(f"{puller.url}/api/tags")).json()
    assert [model["name"] for model in listed["models"]] == ["tiny:latest"]


async def test_what_is_not_there_can_neither_be_copied_nor_deleted(puller: Puller, http: ClientSession) -> None:
    copied = await http.post(f"{puller.url}/api/copy", json={"source": "nowhere", "destination": "tiny"})
    deleted = await http.delete(f"{puller.url}/api/delete", json={"model": "nowhere"})

    assert (copied.status, await copied.json()) == (404, {"error": 'model "nowhere" not found'})
    assert (deleted.status, await deleted.json()) == (404, {"error": "model 'nowhere' not found"})
