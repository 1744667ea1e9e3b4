"""The client of the API server: what it asks, and what it makes of answers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

from speechoperator.kube import kinds
from speechoperator.kube.client import Cluster
from speechoperator.kube.errors import ApiError, Request, api_error
from speechoperator.telemetry.metrics import Metrics

pytestmark = pytest.mark.unit

POD = kinds.POD


class Server:
    """Answers with what is next in `answers`; `asked` are the requests."""

    def __init__(self) -> None:
        self.answers: list[web.Response] = []
        self.asked: list[web.Request] = []

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        self.asked.append(request)
        return self.answers.pop(0) if self.answers else web.json_response({"items": [], "metadata": {}})


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, TestServer]]:
    said = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", said.answer)
    async with TestServer(app, host="127.0.0.1") as running:
        yield said, running


@pytest.fixture
async def cluster(server: tuple[Server, TestServer]) -> AsyncIterator[Cluster]:
    access = Configuration(host=str(server[1].make_url("")).rstrip("/"), api_key={"BearerToken": "Bearer t0ken"})
    access.refresh_api_key_hook = lambda _: None
    async with Cluster(access, 5, Metrics()) as cluster:
        yield cluster


async def test_a_listing_is_read_to_its_end(server: tuple[Server, TestServer], cluster: Cluster) -> None:
    said, _ = server
    said.answers = [
        web.json_response({"items": [{"a": 1}], "metadata": {"continue": "more", "resourceVersion": "7"}}),
        web.json_response({"items": [{"a": 2}], "metadata": {"resourceVersion": "7"}}),
    ]
    assert await cluster.list(POD, "team", labels="a=b") == ([{"a": 1}, {"a": 2}], "7")
    first, second = said.asked
    assert first.path == "/api/v1/namespaces/team/pods"
    assert first.query["labelSelector"] == "a=b"
    assert first.headers["Authorization"] == "Bearer t0ken"
    assert second.query["continue"] == "more"


async def test_the_server_keeps_to_the_time_as_well(server: tuple[Server, TestServer], cluster: Cluster) -> None:
    await cluster.call("patch", POD, "team", "p", sub="status", body={}, within=2.5)
    [asked] = server[0].asked
    assert asked.path == "/api/v1/namespaces/team/pods/p/status"
    assert asked.query["timeout"] == "2s"


async def test_a_refusal_says_what_was_asked(server: tuple[Server, TestServer], cluster: Cluster) -> None:
    words = 'pods "p" is forbidden: User "op" cannot create resource "pods" in API group "" in the namespace "team"'
    status = {"kind": "Status", "reason": "Forbidden", "message": words, "details": {}}
    server[0].answers = [web.json_response(status, status=403)]
    with pytest.raises(ApiError) as caught:
        await cluster.call("patch", POD, "team", "p")
    assert caught.value.code == "forbidden"
    assert caught.value.missing_right == Request("create", "pods", "team", "p")
    assert caught.value.advice.startswith("the operator may not create pods in namespace team: ")


async def test_coming_back_is_told(cluster: Cluster) -> None:
    there = cluster.access.host
    cluster.access.host = "http://127.0.0.1:1"
    with pytest.raises(ApiError) as caught:
        await cluster.call("get", POD, "team", "p")
    assert caught.value.code == "unreachable"
    assert caught.value.concerns_all
    assert not cluster.came_back.is_set()
    cluster.access.host = there
    await cluster.call("get", POD, "team", "p")
    assert cluster.came_back.is_set()


async def test_an_answer_of_something_in_between_is_shown(server: tuple[Server, TestServer], cluster: Cluster) -> None:
    server[0].answers = [web.Response(status=502, text="bad gateway")]
    with pytest.raises(ApiError) as caught:
        await cluster.call("get", POD, "team", "p")
    assert (caught.value.code, caught.value.message) == ("server", "bad gateway")


def status(reason: str = "", message: str = "", **details: Any) -> dict[str, Any]:
    return {"kind": "Status", "reason": reason, "message": message, "details": details}


@pytest.mark.parametrize(
    ("code", "body", "named", "all_concerned"),
    [
        (401, status("Unauthorized"), "unauthorized", True),
        (403, status("Forbidden", "exceeded quota: q, requested: pods=1"), "denied", False),
        (403, status("Forbidden", causes=[{"reason": "NamespaceTerminating"}]), "namespace_ends", False),
        (404, status("NotFound", 'namespaces "team" not found'), "namespace_ends", False),
        (404, status("NotFound", 'pods "p" not found'), "not_found", False),
        (409, status("Conflict"), "conflict", False),
        (422, status("Invalid", "spec.selector: field is immutable"), "invalid", False),
        (429, status("TooManyRequests", retryAfterSeconds=3), "throttled", True),
        (500, "etcdserver: leader changed", "server", True),
        (400, status("BadRequest", 'unknown field "spec.x"'), "refused", False),
    ],
)
def test_refusals_are_told_apart(code: int, body: Any, named: str, *, all_concerned: bool) -> None:
    error = api_error(Request("patch", "pods", "team", "p"), code, body)
    assert (error.code, error.concerns_all) == (named, all_concerned)


def test_the_wait_that_a_busy_server_asks_for_is_known() -> None:
    request = Request("patch", "pods")
    assert api_error(request, 429, status(retryAfterSeconds=3)).retry_after == 3.0
    assert api_error(request, 429, status(), "7").retry_after == 7.0
    assert api_error(request, 429, status(), "Mon, 23 Nov 2026 12:00:00 GMT").retry_after is None
