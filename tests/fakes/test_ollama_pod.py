"""The fake of an Ollama pod: what a pull leaves on the volume, and what the next one finds."""

import json

import aiohttp
import pytest

from fakes.faults import StreamError
from fakes.gates import Point
from fakes.ollama_pod import DISK_FULL, PIECES, FakeOllamaPod, Registry, Volume, is_pull, layers_of

pytestmark = pytest.mark.unit

TOTAL = sum(layer.size for layer in layers_of("llama3"))


async def pull(http: aiohttp.ClientSession, url: str, model: str) -> list[dict[str, object]]:
    async with http.post(f"{url}/api/pull", json={"model": model}) as answer:
        return [json.loads(line) async for line in answer.content]


async def listed(http: aiohttp.ClientSession, url: str) -> list[str]:
    async with http.get(f"{url}/api/tags") as answer:
        return [model["name"] for model in (await answer.json())["models"]]


async def test_a_pull_tells_its_progress_and_leaves_the_model() -> None:
    async with FakeOllamaPod(Registry(["llama3"])) as pod, aiohttp.ClientSession() as http:
        lines = await pull(http, pod.url, "llama3")
        assert await listed(http, pod.url) == ["llama3:latest"]
    assert [line["status"] for line in lines[-3:]] == ["verifying sha256 digest", "writing manifest", "success"]
    completed = {str(line["digest"]): line["completed"] for line in lines if "completed" in line}
    assert sum(int(str(size)) for size in completed.values()) == TOTAL


async def test_an_unknown_model_is_an_error_in_the_stream() -> None:
    async with FakeOllamaPod() as pod, aiohttp.ClientSession() as http:
        lines = await pull(http, pod.url, "llama33")
    assert lines == [{"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}]


async def test_a_pull_that_was_left_goes_on_where_it_was() -> None:
    async with FakeOllamaPod(Registry(["llama3"])) as pod, aiohttp.ClientSession() as http:
        gate = pod.hold(Point.BEFORE_CHUNK)
        async with http.post(f"{pod.url}/api/pull", json={"model": "llama3"}):
            await gate.reached()
            gate.step()
            await gate.reached()
        await pod.until(lambda: not pod.volume.pulling["llama3:latest"])
        gate.release()
        lines = await pull(http, pod.url, "llama3")
    assert lines[1]["completed"] == -(-layers_of("llama3")[0].size // PIECES)
    assert pod.volume.most_at_once == 1


async def test_pods_with_one_volume_share_its_models() -> None:
    volume = Volume()
    first, second = FakeOllamaPod(Registry(["llama3"]), volume), FakeOllamaPod(volume=volume)
    async with first, second, aiohttp.ClientSession() as http:
        await pull(http, first.url, "llama3")
        assert await listed(http, second.url) == ["llama3:latest"]


async def test_a_scripted_fault_befalls_the_pull_only() -> None:
    async with FakeOllamaPod(Registry(["llama3"])) as pod, aiohttp.ClientSession() as http:
        pod.script(StreamError(2, DISK_FULL), only=is_pull)
        assert await listed(http, pod.url) == []
        assert (await pull(http, pod.url, "llama3"))[-1] == {"error": DISK_FULL}
        assert (await pull(http, pod.url, "llama3"))[-1] == {"status": "success"}


async def test_a_model_can_be_given_another_name() -> None:
    source = "registry.models.svc:5000/library/smollm2:135m"
    async with FakeOllamaPod(Registry([source])) as pod, aiohttp.ClientSession() as http:
        await pull(http, pod.url, source)
        copied = await http.post(f"{pod.url}/api/copy", json={"source": source, "destination": "smollm2:135m"})
        deleted = await http.delete(f"{pod.url}/api/delete", json={"model": source})
        assert (copied.status, deleted.status) == (200, 200)
        assert await listed(http, pod.url) == ["smollm2:135m"]


async def test_pods_have_addresses_of_their_own() -> None:
    async with FakeOllamaPod().listen_on("127.0.0.2", 0) as first:
        port = int(first.url.rpartition(":")[2])
        async with FakeOllamaPod().listen_on("127.0.0.3", port) as second:
            assert {first.url, second.url} == {f"http://127.0.0.2:{port}", f"http://127.0.0.3:{port}"}
