"""Probes and metrics over HTTP."""

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from speechoperator.telemetry.metrics import Metrics
from speechoperator.telemetry.server import Service, serving

pytestmark = pytest.mark.unit

NO_IPV6 = not socket.has_dualstack_ipv6()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def service(not_ready: str = "") -> Service:
    return Service(Metrics(), lambda: not_ready)


async def test_the_operator_is_live_before_it_is_ready(http: aiohttp.ClientSession) -> None:
    async with serving("127.0.0.1", 0, service("the first list is not complete")) as (_, port):
        assert (await http.get(f"http://127.0.0.1:{port}/livez")).status == 200
        response = await http.get(f"http://127.0.0.1:{port}/readyz")
        assert response.status == 503
        assert await response.json() == {"status": "not ready", "detail": "the first list is not complete"}


async def test_a_worker_that_hangs_makes_the_operator_not_alive(http: aiohttp.ClientSession) -> None:
    reason = "a worker has been reconciling team/p for 601 s"
    async with serving("127.0.0.1", 0, Service(Metrics(), str, lambda: reason)) as (_, port):
        response = await http.get(f"http://127.0.0.1:{port}/livez")
        assert response.status == 503
        assert await response.json() == {"status": "hung", "detail": reason}


async def test_readiness_is_asked_for_on_every_request(http: aiohttp.ClientSession) -> None:
    reasons = ["not yet", ""]
    async with serving("127.0.0.1", 0, Service(Metrics(), lambda: reasons.pop(0))) as (_, port):
        assert (await http.get(f"http://127.0.0.1:{port}/readyz")).status == 503
        assert (await http.get(f"http://127.0.0.1:{port}/readyz")).status == 200


async def test_metrics_are_served(http: aiohttp.ClientSession) -> None:
    async with serving("127.0.0.1", 0, service()) as (_, port):
        assert "speechoperator_leader" in await (await http.get(f"http://127.0.0.1:{port}/metrics")).text()


@pytest.mark.skipif(NO_IPV6, reason="this machine has no IPv6")
@pytest.mark.parametrize("address", ["[::1]", "127.0.0.1"])
async def test_the_default_host_serves_ipv6_and_ipv4(http: aiohttp.ClientSession, address: str) -> None:
    async with serving("::", 0, service()) as (_, port):
        assert (await http.get(f"http://{address}:{port}/livez")).status == 200


async def test_the_default_host_serves_ipv4_on_a_machine_without_ipv6(
    http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    async with serving("::", 0, service()) as (_, port):
        assert (await http.get(f"http://127.0.0.1:{port}/livez")).status == 200


async def test_a_port_in_use_is_an_error() -> None:
    async with serving("::", 0, service()) as (_, port):
        with pytest.raises(OSError, match="in use"):
            await serving("::", port, service()).__aenter__()
