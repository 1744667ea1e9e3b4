"""The progress that init containers report about weights."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cluster.pipelines import of_whisper
from fakes.planned_cluster import WRITTEN_NOON, converged
from speechoperator.kube.objects import Key
from speechoperator.observe import fetches
from speechoperator.observe.polling import Poller, Polls
from speechoperator.plan.snapshot import Fetch

pytestmark = pytest.mark.unit


async def asked(body: bytes, status: int = 200) -> Fetch | None:
    """What is made of a pod's answer."""
    app = web.Application()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status)

    app.router.add_get("/progress", answer)
    async with TestServer(app) as server:
        return await fetches.progress(f"http://127.0.0.1:{server.port}")


async def test_progress_is_what_the_pod_reports() -> None:
    body = (
        b'{"model": "small", "stage": "downloading", "completed_bytes": 5, "total_bytes": 20, "bytes_per_second": 3,'
        b' "eta_seconds": 5}'
    )
    assert await asked(body) == Fetch("downloading", 5, 20, 3.0)
    assert await asked(b'{"model": "small", "stage": "waiting", "completed_bytes": 0}') == Fetch("waiting")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"stage": "baking"}',
        b'{"stage": ["downloading"]}',
        b'{"stage": "downloading"' + b" " * 100_000 + b"}",
    ],
)
async def test_another_answer_is_none(body: bytes) -> None:
    assert await asked(body) is None


async def test_numbers_that_are_none_are_unknown() -> None:
    body = b'{"stage": "downloading", "completed_bytes": "many", "total_bytes": -1, "bytes_per_second": true}'
    assert await asked(body) == Fetch("downloading")


async def test_only_pods_whose_init_container_runs_are_asked() -> None:
    body = {"stage": "downloading", "completed_bytes": 5, "total_bytes": 20}
    requests = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal requests
        requests += 1
        return web.json_response(body)

    app = web.Application()
    app.router.add_get("/progress", answer)
    cluster = converged(of_whisper(cache={"ephemeral": True}, scaling={"minReplicas": 2}))
    fetching, _ = cluster.pods_of("whisper")
    fetching["status"] = {
        "phase": "Pending",
        "podIP": "127.0.0.1",
        "initContainerStatuses": [{"name": "fetch", "state": {"running": {"startedAt": WRITTEN_NOON}}}],
    }
    changed = asyncio.Event()
    poller = Poller(lambda _: changed.set())
    async with TestServer(app) as server:
        assert server.port
        polls = Polls(poller, Key("team", "calls"))
        assert fetches.latest(polls, tuple(cluster.pods), server.port) == {}
        await asyncio.wait_for(changed.wait(), 5)

        found = fetches.latest(polls, tuple(cluster.pods), server.port)
        poller.close()

    assert found == {fetching["metadata"]["name"]: Fetch("downloading", 5, 20)}
    assert requests == 1
