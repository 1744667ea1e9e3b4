"""Warning Events about pods: one watch for all pipelines."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, cast

import pytest

from fakes.reconciler_bench import KEY
from speechoperator.kube.errors import ApiError, Request
from speechoperator.kube.objects import Key
from speechoperator.watch.pod_warnings import WARNINGS, PodWarnings, PodWarningsWatcher
from speechoperator.watch.store import Store

if TYPE_CHECKING:
    from speechoperator.kube.watch_client import WatchClient

pytestmark = pytest.mark.unit

Change = tuple[str, dict[str, Any]]


def event(second: int, message: str = "no secret", pod: str = "p-0", name: str = "e") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "team", "resourceVersion": str(second)},
        "involvedObject": {"kind": "Pod", "namespace": "team", "name": pod, "uid": f"uid-{pod}"},
        "type": "Warning",
        "message": message,
        "lastTimestamp": f"2026-11-23T12:00:{second:02}Z",
    }


def store_with(*pods: str) -> Store:
    store = Store()
    for name in pods:
        labels = {"speechpipeline.dev/pipeline": "p"}
        meta = {"name": name, "namespace": "team", "uid": f"uid-{name}", "resourceVersion": "1", "labels": labels}
        store.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta})
    return store


def message_of(warnings: PodWarnings, pod: str = "p-0") -> str | None:
    found = warnings.of(f"uid-{pod}")
    return found.message if found else None


def test_the_newest_warning_about_a_pod_counts_and_is_told_once() -> None:
    warnings = PodWarnings(store_with("p-0"))
    assert warnings.observe("ADDED", event(2)) == KEY
    assert warnings.observe("MODIFIED", event(9)) is None, "it was repeated"
    assert warnings.observe("ADDED", event(5, "older", name="other")) is None
    assert message_of(warnings) == "no secret"
    assert warnings.observe("ADDED", event(10, "no volume", name="other")) == KEY
    assert message_of(warnings) == "no volume"


def test_a_warning_goes_with_its_event() -> None:
    warnings = PodWarnings(store_with("p-0"))
    warnings.observe("ADDED", event(2))
    warnings.observe("DELETED", event(1, "another", name="other"))
    assert message_of(warnings) == "no secret"
    warnings.observe("DELETED", event(2))
    assert message_of(warnings) is None


def test_a_warning_may_come_before_its_pod() -> None:
    store = store_with()
    warnings = PodWarnings(store)
    assert warnings.observe("ADDED", event(2)) is None
    assert message_of(warnings) == "no secret"


def test_warnings_about_pods_of_others_take_little_memory() -> None:
    warnings = PodWarnings(store_with("p-0"))
    warnings.observe("ADDED", event(1))
    for number in range(5000):
        warnings.observe("ADDED", event(2, pod=f"other-{number}"))
    assert len(warnings) == 1001
    assert message_of(warnings) == "no secret"


class Server:
    """An API server whose lists and watches are scripted; a watch without a script stays open."""

    def __init__(self) -> None:
        self.lists: list[list[dict[str, Any]] | ApiError] = []
        self.watches: list[list[Change | ApiError]] = []
        self.since: list[str] = []
        self.open = asyncio.Event()

    async def pages(self, *_: object, fields: str) -> AsyncGenerator[tuple[list[dict[str, Any]], str], None]:
        assert fields == WARNINGS[0]
        found = self.lists.pop(0)
        if isinstance(found, ApiError):
            raise found
        yield found, "10"

    async def watch(self, *_: object, fields: str, version: str) -> AsyncGenerator[Change, None]:
        assert fields
        self.since.append(version)
        for change in self.watches.pop(0) if self.watches else []:
            if isinstance(change, ApiError):
                raise change
            yield change
        if not self.watches:
            self.open.set()
            await asyncio.Event().wait()


def refused(status: int) -> ApiError:
    return ApiError(Request("watch", "events"), status, "", "no")


async def run(server: Server, warnings: PodWarnings, changed: Callable[[Key], None]) -> None:
    """Run a watcher until it has come to an open watch."""
    watcher = PodWarningsWatcher(cast("WatchClient", server), warnings, WARNINGS[0], "", changed)
    running = asyncio.create_task(watcher.run())
    async with asyncio.timeout(5):
        await server.open.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_watch_goes_on_where_the_one_before_ended() -> None:
    server, changed = Server(), list[Key]()
    server.lists = [[event(2)]]
    bookmark = ("BOOKMARK", {"metadata": {"resourceVersion": "40"}})
    server.watches = [[("ADDED", event(30, "no volume")), bookmark], []]
    warnings = PodWarnings(store_with("p-0"))
    await run(server, warnings, changed.append)
    assert server.since[:2] == ["10", "40"]
    assert message_of(warnings) == "no volume"
    assert changed == [KEY, KEY]


@pytest.mark.parametrize("status", [410, 403, 0])
async def test_after_a_failure_all_is_listed_again(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechoperator.watch.pod_warnings._MIN_RETRY_S", 0.0)
    server = Server()
    server.lists = [[event(2)], refused(403), []]
    server.watches = [[refused(status)]]
    warnings = PodWarnings(store_with("p-0"))
    await run(server, warnings, lambda _: None)
    assert server.lists == []
    assert message_of(warnings) is None, "the Event has expired meanwhile"


async def test_without_permission_to_watch_lists_become_rare(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("speechoperator.watch.pod_warnings.asyncio.sleep", sleep)
    server = Server()
    server.lists = [[] for _ in range(9)]
    server.watches = [[refused(403)] for _ in range(8)]
    await run(server, PodWarnings(store_with()), lambda _: None)
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    assert len([record for record in caplog.records if "cannot watch Events" in record.message]) == 1


def test_a_new_list_of_one_source_forgets_only_what_came_from_it() -> None:
    warnings = PodWarnings(store_with("p-0", "p-1"))
    warnings.observe("ADDED", event(1), ("a", ""))
    warnings.observe("ADDED", event(1, pod="p-1"), ("b", ""))
    warnings.clear(("a", ""))
    assert message_of(warnings) is None
    assert message_of(warnings, "p-1") == "no secret"
