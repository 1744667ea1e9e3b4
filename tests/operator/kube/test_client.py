"""The client of the API server: its requests, and how it reads responses."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

from speechoperator.kube import kinds
from speechoperator.kube.errors import ApiError, Request
from speechoperator.kube.unfenced_client import UnfencedClient
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
async def client(server: tuple[Server, TestServer]) -> AsyncIterator[UnfencedClient]:
    access = Configuration(host=str(server[1].make_url("")).rstrip("/"), api_key={"BearerToken": "Bearer t0ken"})
    access.refresh_api_key_hook = lambda _: None
    async with UnfencedClient(access, 5, Metrics()) as client:
        yield client


async def test_a_listing_is_read_to_its_end(server: tuple[Server, TestServer], client: UnfencedClient) -> None:
    said, _ = server
    said.answers = [
        web.json_response({"items": [{"a": 1}], "metadata": {"continue": "more", "resourceVersion": "7"}}),
        web.json_response({"items": [{"a": 2}], "metadata": {"resourceVersion": "7"}}),
    ]
    assert await client.list(POD, "team", labels="a=b") == ([{"a": 1}, {"a": 2}], "7")
    first, second = said.asked
    assert first.path == "/api/v1/namespaces/team/pods"
    assert first.query["labelSelector"] == "a=b"
    assert first.headers["Authorization"] == "Bearer t0ken"
    assert second.query["continue"] == "more"


async def test_a_listing_is_handed_on_page_by_page(server: tuple[Server, TestServer], client: UnfencedClient) -> None:
    said, _ = server
    said.answers = [web.json_response({"items": [{"a": 1}], "metadata": {"continue": "more", "resourceVersion": "7"}})]
    pages = client.pages(POD, page_items=1)
    assert await anext(pages) == ([{"a": 1}], "7")
    assert len(said.asked) == 1, "the next one is not asked for before this one is taken in"
    assert said.asked[0].query["limit"] == "1"
    await pages.aclose()


async def test_what_is_no_listing_is_not_taken_for_an_empty_one(
    server: tuple[Server, TestServer], client: UnfencedClient
) -> None:
    server[0].answers = [web.json_response({"welcome": "to the proxy"})]
    with pytest.raises(ApiError, match="not a list"):
        await client.list(POD)


async def test_the_server_keeps_to_the_time_as_well(server: tuple[Server, TestServer], client: UnfencedClient) -> None:
    await client.write("patch", POD, "team", "p", subresource="status", body={}, within_s=2.5)
    [asked] = server[0].asked
    assert asked.path == "/api/v1/namespaces/team/pods/p/status"
    assert asked.query["timeout"] == "2s"


async def test_a_refusal_says_what_was_asked(server: tuple[Server, TestServer], client: UnfencedClient) -> None:
    words = 'pods "p" is forbidden: User "op" cannot create resource "pods" in API group "" in the namespace "team"'
    status = {"kind": "Status", "reason": "Forbidden", "message": words, "details": {}}
    server[0].answers = [web.json_response(status, status=403)]
    with pytest.raises(ApiError) as caught:
        await client.write("patch", POD, "team", "p", body={})
    assert caught.value.code == "forbidden"
    assert caught.value.missing_permission == Request("create", "pods", "team", "p")
    assert caught.value.advice.startswith("the operator is not allowed to create pods in namespace team: ")


async def test_coming_back_is_told(client: UnfencedClient) -> None:
    there = client.configuration.host
    client.configuration.host = "http://127.0.0.1:1"
    with pytest.raises(ApiError) as caught:
        await client.get(POD, "team", "p")
    assert caught.value.code == "unreachable"
    assert caught.value.affects_all
    assert not client.recovered.is_set()
    client.configuration.host = there
    await client.get(POD, "team", "p")
    assert client.recovered.is_set()


async def test_an_answer_of_something_in_between_is_shown(
    server: tuple[Server, TestServer], client: UnfencedClient
) -> None:
    server[0].answers = [web.Response(status=502, text="bad gateway")]
    with pytest.raises(ApiError) as caught:
        await client.get(POD, "team", "p")
    assert (caught.value.code, caught.value.message) == ("server_error", "bad gateway")


def line(change: str, thing: dict[str, Any]) -> bytes:
    return json.dumps({"type": change, "object": thing}).encode() + b"\n"


async def test_a_watch_yields_changes_until_the_server_ends_it(
    server: tuple[Server, TestServer], client: UnfencedClient
) -> None:
    said, _ = server
    pod = {"metadata": {"name": "p", "resourceVersion": "8"}}
    said.answers = [web.Response(body=line("ADDED", pod) + line("DELETED", pod))]
    changes = [change async for change in client.watch(POD, "team", fields="a=b", version="7")]
    assert changes == [("ADDED", pod), ("DELETED", pod)]
    [asked] = said.asked
    assert asked.path == "/api/v1/namespaces/team/pods"
    assert {"watch": "true", "resourceVersion": "7", "fieldSelector": "a=b"}.items() <= asked.query.items()
    assert asked.headers["Authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (web.json_response({"kind": "Status", "code": 403, "message": "no"}, status=403), 403),
        (web.Response(body=line("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version"})), 410),
    ],
)
async def test_a_watch_that_is_refused_says_so(
    server: tuple[Server, TestServer], client: UnfencedClient, answer: web.Response, status: int
) -> None:
    server[0].answers = [answer]
    with pytest.raises(ApiError) as caught:
        async for _ in client.watch(POD, fields="", version="7"):
            pass
    assert caught.value.status == status


async def test_a_watch_that_is_cut_off_ends(server: tuple[Server, TestServer], client: UnfencedClient) -> None:
    server[0].answers = [web.Response(body=line("ADDED", {"metadata": {}}) + b'{"type": "ADD')]
    assert len([change async for change in client.watch(POD, fields="", version="7")]) == 1
