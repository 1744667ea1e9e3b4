"""The fenced client: no write without leadership, and none without a trace."""

from typing import TYPE_CHECKING, Any, cast

import pytest

from fakes.api_server import ApiServer
from speechoperator.api import kinds
from speechoperator.errors import NotLeadingError
from speechoperator.kube.errors import ApiError
from speechoperator.kube.fenced_client import FencedClient, Verb
from speechoperator.kube.rate_limit import Priority, RateLimit
from speechoperator.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechoperator.kube.unfenced_client import UnfencedClient

pytestmark = pytest.mark.unit

SERVICE = kinds.BY_NAME["Service"]
VERBS: tuple[Verb, ...] = ("apply", "merge", "strategic", "create", "delete")
BODY: dict[str, Any] = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "team"}}


class Cache:
    """Remembers what it is given."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []

    def put(self, body: dict[str, Any]) -> None:
        self.bodies.append(body)


class Bench:
    def __init__(self) -> None:
        self.api = ApiServer()
        self.cache = Cache()
        self.metrics = Metrics()
        self.time_left = 10.0
        self.limit = RateLimit(1000, 1000)
        api = cast("UnfencedClient", self.api)
        self.client = FencedClient(api, self.cache, self.metrics, lambda: self.time_left, self.limit)

    async def write(self, verb: Verb) -> None:
        body = {} if verb == "delete" else BODY
        await self.client.write(verb, SERVICE, "team", "s", body, why="changed", reason="spec.type is A, wanted B")

    def written(self, verb: Verb) -> float:
        labels = {"kind": "Service", "verb": verb, "why": "changed"}
        return self.metrics.registry.get_sample_value("speechoperator_writes_total", labels) or 0.0


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("verb", VERBS)
async def test_nothing_is_sent_once_another_replica_may_be_the_leader(bench: Bench, verb: Verb) -> None:
    bench.time_left = 0.0
    with pytest.raises(NotLeadingError):
        await bench.write(verb)
    assert bench.api.calls == []


@pytest.mark.parametrize("verb", VERBS)
async def test_a_write_is_counted_and_logged_with_its_reason(
    bench: Bench, verb: Verb, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "speechoperator")
    bench.api.have(BODY)
    await bench.write(verb)
    assert bench.written(verb) == 1
    [record] = caplog.records
    assert record.__dict__["fields"] == {
        "kind": "Service",
        "name": "s",
        "verb": verb,
        "reason": "spec.type is A, wanted B",
    }


@pytest.mark.parametrize("verb", VERBS)
async def test_a_write_that_fails_leaves_no_trace(bench: Bench, verb: Verb, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "speechoperator")
    bench.api.refuse = lambda _: (403, "no")
    with pytest.raises(ApiError):
        await bench.write(verb)
    assert (bench.written(verb), bench.cache.bodies, caplog.records) == (0, [], [])


async def test_the_object_as_it_is_then_goes_into_the_cache(bench: Bench) -> None:
    await bench.write("apply")
    [body] = bench.cache.bodies
    assert body["metadata"]["resourceVersion"]


async def test_a_deleted_object_does_not_go_into_the_cache(bench: Bench) -> None:
    bench.api.have(BODY)
    await bench.write("delete")
    assert bench.cache.bodies == []


@pytest.mark.parametrize(
    ("verb", "sent"),
    [("apply", "patch"), ("merge", "patch"), ("strategic", "patch"), ("create", "create"), ("delete", "delete")],
)
async def test_the_api_server_is_asked_in_the_terms_of_rbac(bench: Bench, verb: Verb, sent: str) -> None:
    bench.api.have(BODY)
    await bench.write(verb)
    assert [call.verb for call in bench.api.calls] == [sent]


async def test_a_request_may_not_outlast_the_lease(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    write: Callable[..., Any] = bench.api.write

    async def recorded(*arguments: Any, **more: Any) -> Any:
        given.append(more["within_s"])
        return await write(*arguments, **more)

    monkeypatch.setattr(bench.api, "write", recorded)
    bench.time_left = 3.5
    await bench.write("apply")
    assert given == [3.5]


async def test_a_lease_that_is_lost_while_a_write_waits_its_turn_stops_the_write(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait(_: Priority) -> None:
        bench.time_left = 0.0

    monkeypatch.setattr(bench.limit, "wait", wait)
    with pytest.raises(NotLeadingError):
        await bench.write("apply")
    assert bench.api.calls == []


@pytest.mark.parametrize(("subresource", "priority"), [("", Priority.NORMAL), ("status", Priority.STATUS)])
async def test_a_status_goes_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, subresource: str, priority: Priority
) -> None:
    given: list[Priority] = []

    async def wait(asked: Priority) -> None:
        given.append(asked)

    monkeypatch.setattr(bench.limit, "wait", wait)
    bench.api.have({**BODY, "status": {}})
    await bench.client.write(
        "apply",
        SERVICE,
        "team",
        "s",
        {**BODY, "status": {}},
        why="status",
        reason="status changed",
        subresource=subresource,
    )
    assert given == [priority]
