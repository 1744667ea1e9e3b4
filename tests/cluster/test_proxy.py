"""The faults between a client and the API server that tests inject."""

import aiohttp
import pytest

from cluster.api import Api, ApiError
from cluster.control_plane import ControlPlane
from cluster.proxy import BUSY, FaultyApi, LoseAnswer, LoseRequest

pytestmark = pytest.mark.cluster


def config_map(name: str, namespace: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}


async def test_a_write_is_refused_or_lost_before_or_after_it_is_done(
    control_plane: ControlPlane, api: Api, namespace: str
) -> None:
    faults = {"refused": BUSY, "lost": LoseRequest(), "done": LoseAnswer(), "fine": None}
    async with FaultyApi(control_plane) as proxy, Api(control_plane.access(url=proxy.url)) as client:
        for name, fault in faults.items():
            proxy.interfere = lambda request, fault=fault: fault if request.writes else None
            try:
                await client.create(config_map(name, namespace))
            except ApiError as error:
                assert (name, error.code) == ("refused", 429)  # noqa: PT017 - one of several ends
            except aiohttp.ClientError:
                assert name in {"lost", "done"}
        assert [request.method for request in proxy.requests] == ["POST"] * 4
    assert {one["metadata"]["name"] for one in await api.list("ConfigMap", namespace)} >= {"done", "fine"}
    assert await api.find("ConfigMap", namespace, "lost") is None


async def test_reads_are_repeated_while_the_server_says_429(control_plane: ControlPlane, namespace: str) -> None:
    refused = iter([BUSY, BUSY])
    async with FaultyApi(control_plane) as proxy, Api(control_plane.access(url=proxy.url)) as client:
        proxy.interfere = lambda _: next(refused, None)
        assert await client.find("ConfigMap", namespace, "missing") is None
        assert [request.path.rpartition("/")[2] for request in proxy.requests] == ["missing"] * 3


async def test_a_watch_is_cut_in_the_middle(control_plane: ControlPlane, api: Api, namespace: str) -> None:
    async with FaultyApi(control_plane) as proxy, Api(control_plane.access(url=proxy.url)) as client:
        await api.create(config_map("first", namespace))
        watch = client.watch("ConfigMap", namespace, fieldSelector="metadata.name=first")
        await anext(watch)
        assert proxy.cut_watches() == 1
        with pytest.raises(aiohttp.ClientError):
            await anext(watch)
        await proxy.go_away()
        with pytest.raises(aiohttp.ClientError):
            await client.list("ConfigMap", namespace)
        await proxy.come_back()
        assert await client.list("ConfigMap", namespace)
