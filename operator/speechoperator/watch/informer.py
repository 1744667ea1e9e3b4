"""kopf as an informer: it watches, and calls the handlers.

It keeps nothing in the objects (no annotations, no finalizers), posts no Events, knows no peers and writes nothing.
When a watch fails for good it ends all its tasks, and whoever runs it starts it anew.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import kopf

from speechoperator.api import kinds, labels

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection

    from speechoperator.kube.client import Cluster
    from speechoperator.kube.kinds import Kind

OURS = f"{labels.MANAGED_BY}={labels.MANAGER}"
"""The label selector of all watches and listings but that of the pipelines themselves."""

_WATCHER = "watcher for "
"""How the names of kopf's tasks begin that watch (kopf/_core/reactor/orchestration.py)."""

Task = asyncio.Task[Any]


@asynccontextmanager
async def watching(
    registry: kopf.OperatorRegistry, watched: Collection[Kind], namespace: str, cluster: Cluster
) -> AsyncIterator[Collection[Task]]:
    """Run kopf; yields its tasks, of which none ends while all is well.

    Args:
        registry: The handlers.
        watched: The kinds they are for.
        namespace: Which namespace; "" for all.
        cluster: How to reach the API.
    """
    kopf.on.login(registry=registry, errors=kopf.ErrorsMode.PERMANENT)(_login(cluster))
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=_settings(watched),
        standalone=True,
        clusterwide=not namespace,
        namespaces=[namespace] if namespace else [],
    )
    try:
        yield tasks
    finally:
        await _cancelled(tasks)
        # kopf stops its watchers when it is cancelled, not when one of them fails: the others would go on for ever
        await _cancelled([task for task in asyncio.all_tasks() if task.get_name().startswith(_WATCHER)])


async def _cancelled(tasks: Collection[Task]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def reason(ended: Collection[Task]) -> str:
    """Return why kopf ended, in words."""
    faults = [fault for task in ended if not task.cancelled() and (fault := task.exception())]
    return "; ".join(f"{type(fault).__name__}: {fault}" for fault in faults) or "kopf ended"


def _login(cluster: Cluster) -> Callable[..., Awaitable[kopf.ConnectionInfo]]:
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        """Give kopf what the operator's own client uses, as it is now: tokens rotate."""
        access = cluster.access
        scheme, _space, token = (await cluster.authorization()).partition(" ")
        return kopf.ConnectionInfo(
            server=access.host,
            ca_path=access.ssl_ca_cert,
            insecure=not access.verify_ssl,
            certificate_path=access.cert_file,
            private_key_path=access.key_file,
            scheme=scheme or None,
            token=token or None,
            proxy_url=access.proxy,
        )

    return log_in


class _NoDiffs(kopf.DiffBaseStorage):
    """Remembers nothing of an object: what changed is not asked, and kopf would copy every object to find out."""

    def build(self, **_: Any) -> Any:
        """Return what would be compared: nothing."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Return what was remembered: nothing."""
        return None

    def store(self, **_: Any) -> None:
        """Remember nothing."""


class _NoProgress(kopf.ProgressStorage):
    """Keeps no progress of handlers: there are none that have any."""

    def fetch(self, **_: Any) -> Any:
        """Return the progress: none."""
        return None

    def store(self, **_: Any) -> None:
        """Keep nothing."""

    def purge(self, **_: Any) -> None:
        """Remove nothing."""

    def touch(self, **_: Any) -> None:
        """Touch nothing."""

    def clear(self, *, essence: Any) -> Any:
        """Return what is compared, as it is."""
        return essence


def _settings(watched: Collection[Kind]) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True  # would want to watch all definitions and namespaces
    settings.process.ultimate_exiting_timeout = None  # would kill this process that long after kopf has ended
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.persistence.progress_storage = _NoProgress()
    settings.networking.connect_timeout = 5
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = (0.5, 1, 2)
    settings.watching.chunk_size = 50  # a task for each listed object at once would take 30 MB for 2,000 of them
    settings.queueing.idle_timeout = 0.01
    settings.queueing.exit_timeout = 0.5
    for kind in watched:
        if kind is not kinds.PIPELINE:
            settings.watching.label_selectors[kind.group, kind.version, kind.plural] = OURS
    return settings
