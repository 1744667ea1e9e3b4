"""kopf as an informer: it watches, and every event is passed on. Nothing is decided here.

kopf has each kind listed by the operator when a watch begins, and when its resourceVersion is too old (410). The list
goes straight into the store, and removes what was deleted unseen. A list of kopf's own would be a second one.

Events are taken from kopf's watches and do not reach its handlers: a queue, a task and a memory for each object are
for operators that let kopf decide, and would be a fifth of this operator's CPU.

It keeps nothing in the objects (no annotations, no finalizers), posts no Events, has no peering and writes nothing.
When a watch fails permanently, all its tasks end and the caller restarts it.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import aiohttp
import kopf
from kopf._cogs.clients import errors, fetching
from kopf._cogs.clients import watching as kopf_watching

from speechoperator.api import kinds, labels
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterator

    from speechoperator.kube.client import KubeClient
    from speechoperator.kube.kinds import Kind

MANAGED = f"{labels.MANAGED_BY}={labels.MANAGER}"
"""The label selector of all watches and lists except those of the pipelines themselves."""

_WATCHER = "watcher for "
"""The prefix of the names of kopf's watching tasks (kopf/_core/reactor/orchestration.py)."""

Task = asyncio.Task[Any]

List: TypeAlias = "Callable[[Kind, str], Awaitable[str]]"
"""Lists a kind completely in a namespace ("" for all); returns the resourceVersion to watch it from, "" if that failed:
then it is called again.
"""

_CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})
"""Types of events that are about an object."""

_FORBIDDEN_S = 15.0
"""Seconds until a kind is listed again whose watch is forbidden."""


@asynccontextmanager
async def watching(
    watched: Collection[Kind],
    namespaces: Collection[str],
    client: KubeClient,
    list_kind: List,
    handle: Callable[[kopf.RawEvent], None],
) -> AsyncIterator[Collection[Task]]:
    """Run kopf; yields its tasks, none of which ends unless a watch fails.

    Args:
        watched: The kinds to watch.
        namespaces: The namespaces to watch, each with watches of its own; none for all, with one watch for each kind.
        client: The client whose configuration is used.
        list_kind: Lists a kind, whenever its watch begins anew.
        handle: Called with every event.
    """
    with adapted(list_kind, watched, handle):
        async with _running(watched, namespaces, client) as tasks:
            yield tasks


@contextmanager
def adapted(list_kind: List, watched: Collection[Kind], handle: Callable[[kopf.RawEvent], None]) -> Iterator[None]:
    """Let kopf's watches begin at lists of the operator and end at `handle`, and let a forbidden one stop no other.

    kopf has no setting for that, so its functions are replaced; a test fails if kopf calls other ones. A forbidden
    watch would end all of its watches; as an expired one it has its kind listed again, until it is allowed.
    """
    by_name = {(kind.group, kind.version, kind.plural): kind for kind in watched}

    async def fetch_objs(*, resource: Any, namespace: str | None, **_: Any) -> AsyncIterator[tuple[tuple[()], str]]:
        version = await list_kind(by_name[resource.group, resource.version, resource.plural], namespace or "")
        if not version:
            raise aiohttp.ClientConnectionError("the list failed")  # the error after which kopf begins anew
        yield (), version

    async def watch_objs(**arguments: Any) -> AsyncIterator[Any]:
        try:
            events = cast("AsyncGenerator[Any, None]", watch(**arguments))  # which is what kopf's function returns
            async with aclosing(events):
                async for event in events:
                    yield event
        except errors.APIForbiddenError as error:
            namespace = arguments["namespace"] or "all"
            logs.warning("watch forbidden", kind=str(arguments["resource"]), namespace=namespace, reason=error.message)
            await asyncio.sleep(_FORBIDDEN_S)
            yield {"type": "ERROR", "object": {"code": HTTPStatus.GONE}}

    async def continuous_watch(**arguments: Any) -> AsyncIterator[Any]:
        events = cast("AsyncGenerator[Any, None]", follow(**arguments))
        async with aclosing(events):
            async for event in events:
                if isinstance(event, dict) and event["type"] in _CHANGES:
                    _pass_on(event, handle)
                else:
                    yield event

    fetch, fetching.fetch_objs = fetching.fetch_objs, fetch_objs
    watch, kopf_watching.watch_objs = kopf_watching.watch_objs, watch_objs
    follow, kopf_watching.continuous_watch = kopf_watching.continuous_watch, continuous_watch
    try:
        yield
    finally:
        fetching.fetch_objs, kopf_watching.watch_objs, kopf_watching.continuous_watch = fetch, watch, follow


def _pass_on(event: Any, handle: Callable[[kopf.RawEvent], None]) -> None:
    try:
        handle(event)
    except Exception:  # noqa: BLE001 - an object that is not understood must not stop the watch of all others
        logs.exception("watch event failed unexpectedly")


@asynccontextmanager
async def _running(
    watched: Collection[Kind], namespaces: Collection[str], client: KubeClient
) -> AsyncIterator[Collection[Task]]:
    registry = kopf.OperatorRegistry()

    async def not_called(**_: Any) -> None:
        """Have kopf watch a kind: it does for handlers only."""

    for kind in watched:
        kopf.on.event(kind.group, kind.version, kind.plural, registry=registry)(not_called)
    kopf.on.login(registry=registry, errors=kopf.ErrorsMode.PERMANENT)(_login(client))
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=_settings(watched),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
    )
    try:
        yield tasks
    finally:
        await _cancel(tasks)
        # kopf stops its watchers when it is cancelled, but not when one of them fails: the others would run on
        await _cancel([task for task in asyncio.all_tasks() if task.get_name().startswith(_WATCHER)])


async def _cancel(tasks: Collection[Task]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def failure(ended: Collection[Task]) -> str:
    """Return why kopf's tasks ended, as text."""
    errors = [error for task in ended if not task.cancelled() and (error := task.exception())]
    return "; ".join(f"{type(error).__name__}: {error}" for error in errors) or "kopf ended"


def _login(client: KubeClient) -> Callable[..., Awaitable[kopf.ConnectionInfo]]:
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        """Give kopf the current credentials of the operator's own client: tokens rotate."""
        configuration = client.configuration
        scheme, _space, token = (await client.authorization()).partition(" ")
        return kopf.ConnectionInfo(
            server=configuration.host,
            ca_path=configuration.ssl_ca_cert,
            insecure=not configuration.verify_ssl,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
            scheme=scheme or None,
            token=token or None,
            proxy_url=configuration.proxy,
        )

    return log_in


class _NoDiffs(kopf.DiffBaseStorage):
    """Stores nothing: diffs are not used, and kopf would copy every object to compute them."""

    def build(self, **_: Any) -> Any:
        """Return the essence to compare: nothing."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Return the stored essence: none."""
        return None

    def store(self, **_: Any) -> None:
        """Store nothing."""


class _NoProgress(kopf.ProgressStorage):
    """Stores nothing: event handlers have no progress."""

    def fetch(self, **_: Any) -> Any:
        """Return the stored progress: none."""
        return None

    def store(self, **_: Any) -> None:
        """Store nothing."""

    def purge(self, **_: Any) -> None:
        """Remove nothing."""

    def touch(self, **_: Any) -> None:
        """Touch nothing."""

    def clear(self, *, essence: Any) -> Any:
        """Return the essence unchanged."""
        return essence


def _settings(watched: Collection[Kind]) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True  # would watch all CRDs and namespaces
    settings.process.ultimate_exiting_timeout = None  # would kill this process that long after kopf has ended
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.persistence.progress_storage = _NoProgress()
    settings.networking.connect_timeout = 5
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = (0.5, 1, 2)
    settings.queueing.idle_timeout = 0.01
    settings.queueing.exit_timeout = 0.5
    for kind in watched:
        if kind is not kinds.PIPELINE:
            settings.watching.label_selectors[kind.group, kind.version, kind.plural] = MANAGED
    return settings
