"""kopf as an informer: where its watches begin, and where their events go."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

import kopf
import pytest
from kopf._cogs.clients import fetching, watching
from kopf._cogs.clients.errors import APIForbiddenError
from kopf._cogs.structs.references import Resource

from speechoperator.api import kinds
from speechoperator.kube.kinds import Kind
from speechoperator.watch import informer

pytestmark = pytest.mark.unit

DEPLOYMENT = kinds.BY_NAME["Deployment"]
RESOURCE = Resource(DEPLOYMENT.group, DEPLOYMENT.version, DEPLOYMENT.plural)


async def followed(
    list_kind: informer.List, stop: asyncio.Future[None], handle: Callable[[kopf.RawEvent], None] = lambda _: None
) -> list[Any]:
    """What one watch of kopf yields until `stop` is set or it ends."""
    with informer.adapted(list_kind, [DEPLOYMENT], handle):
        stream = watching.continuous_watch(
            settings=kopf.OperatorSettings(), resource=RESOURCE, namespace=None, operator_pause_waiter=stop
        )
        async with asyncio.timeout(5):
            return [event async for event in stream]


@pytest.mark.parametrize(
    ("replaced", "parameters"),
    [
        (fetching.fetch_objs, ["settings", "resource", "namespace", "logger"]),
        (watching.watch_objs, ["settings", "resource", "namespace", "since", "operator_pause_waiter"]),
        (watching.continuous_watch, ["settings", "resource", "namespace", "operator_pause_waiter"]),
    ],
)
def test_the_functions_of_kopf_that_are_replaced_are_those_that_are_known(
    replaced: Callable[..., Any], parameters: list[str]
) -> None:
    found = inspect.signature(replaced).parameters.values()

    assert inspect.isasyncgenfunction(replaced)
    assert [one.name for one in found] == parameters
    assert {one.kind for one in found} == {inspect.Parameter.KEYWORD_ONLY}


async def test_kopf_watches_from_the_operators_list_and_lists_nothing_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """kopf offers no setting for that: this fails when a new version lists in another way."""
    since: list[str | None] = []
    stop: asyncio.Future[None] = asyncio.Future()
    listed: list[Kind] = []

    async def list_kind(kind: Kind, _: str) -> str:
        listed.append(kind)
        return "42"

    async def watch_objs(**arguments: Any) -> AsyncIterator[Any]:
        since.append(arguments["since"])
        stop.set_result(None)
        yield {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "43"}}}

    monkeypatch.setattr(watching, "watch_objs", watch_objs)
    events = await followed(list_kind, stop)
    assert listed == [DEPLOYMENT]
    assert since == ["42"]
    assert [event["type"] for event in events if isinstance(event, dict)] == ["BOOKMARK"]


async def test_kopf_begins_anew_after_a_list_that_failed() -> None:
    async def list_kind(_: Kind, __: str) -> str:
        return ""

    assert await followed(list_kind, asyncio.Future()) == []


async def test_a_forbidden_watch_has_its_kind_listed_again_and_ends_no_other_watch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An exception here would end all watches of kopf; after an expired one it begins anew."""
    monkeypatch.setattr(informer, "_FORBIDDEN_S", 0.0)
    listed: list[str] = []

    async def list_kind(_: Kind, namespace: str) -> str:
        listed.append(namespace)
        return "42"

    async def watch_objs(**_: Any) -> AsyncIterator[Any]:
        raise APIForbiddenError({"message": "deployments.apps is forbidden"}, status=403, headers={})
        yield

    monkeypatch.setattr(watching, "watch_objs", watch_objs)
    settings = kopf.OperatorSettings()
    settings.watching.reconnect_backoff = 0.0
    with informer.adapted(list_kind, [DEPLOYMENT], lambda _: None):
        stream = watching.infinite_watch(settings=settings, resource=RESOURCE, namespace="night", _iterations=2)
        async with asyncio.timeout(5):
            assert [event async for event in stream if isinstance(event, dict)] == []
    assert listed == ["night", "night"]


async def test_changes_are_passed_on_and_do_not_reach_the_handlers_of_kopf(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """kopf offers no setting for that: this fails when a new version watches in another way."""
    events = [
        {"type": kind, "object": {"metadata": {"resourceVersion": str(version)}}}
        for version, kind in enumerate(("ADDED", "MODIFIED", "BOOKMARK", "DELETED"), start=1)
    ]
    seen: list[str] = []

    def handle(event: Any) -> None:
        seen.append(event["type"])
        if event["type"] == "ADDED":
            raise KeyError("an object that is not understood")

    async def list_kind(_: Kind, __: str) -> str:
        return "0"

    async def watch_objs(**_: Any) -> AsyncIterator[Any]:
        for event in events:
            yield event
        stop.set_result(None)

    stop: asyncio.Future[None] = asyncio.Future()
    monkeypatch.setattr(watching, "watch_objs", watch_objs)
    left = [event for event in await followed(list_kind, stop, handle) if isinstance(event, dict)]
    assert seen == ["ADDED", "MODIFIED", "DELETED"]
    assert left == [events[2]]
    assert "watch event failed unexpectedly" in caplog.text
