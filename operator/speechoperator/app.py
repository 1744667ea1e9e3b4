"""The operator's process: puts its parts together, and starts and ends them in order."""

from __future__ import annotations

import asyncio
import signal
import uuid
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from speechoperator.apply.applier import Applier
from speechoperator.apply.writer import Writes
from speechoperator.kube.client import Cluster, configuration
from speechoperator.kube.leader_election import Election
from speechoperator.kube.workqueue import WorkQueue
from speechoperator.observe.observer import MODELS, Observer
from speechoperator.observe.polling import Answers
from speechoperator.ollama.client import Ollama
from speechoperator.ollama.pulls import Pulls
from speechoperator.reconciler import Reconciler
from speechoperator.report.reporter import Reporter
from speechoperator.telemetry import logs
from speechoperator.telemetry.metrics import Metrics
from speechoperator.telemetry.server import Service, serving
from speechoperator.watch.store import Store
from speechoperator.watch.watcher import Watching
from speechoperator.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechoperator.kube.objects import Key
    from speechoperator.settings import Settings


class Operator:
    """All parts of one replica, put together; `run` it once.

    Args:
        settings: The settings.
        cluster: The API.
        ollama: The client of Ollama.
        metrics: The metrics.
        reclaim: Called after kopf has taken the process's signals for itself.
    """

    def __init__(
        self, settings: Settings, cluster: Cluster, ollama: Ollama, metrics: Metrics, reclaim: Callable[[], None]
    ) -> None:
        identity = f"{settings.pod_name}_{uuid.uuid4().hex[:8]}"
        self.store = store = Store()
        self.queue: WorkQueue[Key] = WorkQueue(settings.retry_base_delay, settings.retry_max_delay, metrics)
        self.election = Election(cluster, settings, identity, monotonic)
        self.watching = Watching(cluster, store, self.queue, settings, metrics, reclaim)
        self.answers = answers = Answers(self.queue.add)
        self.pulls = pulls = Pulls(ollama, metrics, self.queue.add, lambda key: answers.ask_again(key, MODELS))
        writes = Writes(cluster, store, metrics, self.election.time_left, identity)
        self.reconciler = Reconciler(
            store,
            Observer(store, answers, pulls, cluster, ollama, settings),
            Applier(writes, pulls, store),
            Reporter(writes, store),
            pulls,
            answers,
            settings,
            metrics,
            lambda: datetime.now(UTC),
        )
        self._workers = Workers(settings.workers, self.queue, self.reconciler, metrics)
        metrics.follow(metrics.leader, lambda: float(self.election.leads.is_set()))
        metrics.follow(metrics.pipelines, lambda: sum(1 for _ in store.pipelines()))

    async def run(self, stop: asyncio.Event) -> None:
        """Run until told to stop; then end in order, and let the next one lead at once."""
        watching = asyncio.create_task(self.watching.run(), name="watching")
        electing = asyncio.create_task(self.election.run(), name="election")
        leading = asyncio.create_task(self._lead(), name="leading")
        stopping = asyncio.create_task(stop.wait())
        try:
            ended, _ = await asyncio.wait({watching, electing, leading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in ended - {stopping}:
                task.result()  # a fault of ours: end, and be started anew
        finally:
            for part in (leading, electing, watching, stopping):
                await _ended(part)
            await self.election.give_back()

    async def _lead(self) -> None:
        """Work whenever this replica leads."""
        await self.watching.synced.wait()
        while True:
            await self.election.leads.wait()
            for key in self.store.pipelines():
                self.queue.add(key)
            working = asyncio.create_task(self._workers.run(), name="workers")
            follows = asyncio.create_task(self.election.follows.wait())
            try:
                await asyncio.wait({working, follows}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await _ended(working)
                await _ended(follows)
                await self.pulls.close()
                self.answers.close()
                self.queue.clear()


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        NoClusterError: there is no way to an API server.
        OSError: the port is taken.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def claim_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)

    claim_signals()
    loop.set_exception_handler(_unhandled)
    metrics = Metrics()
    async with AsyncExitStack() as parts:
        cluster = await parts.enter_async_context(Cluster(await configuration(), settings.request_timeout, metrics))
        ollama = await parts.enter_async_context(Ollama(settings.ollama_timeout, settings.pull_stall_timeout))
        operator = Operator(settings, cluster, ollama, metrics, claim_signals)
        service = Service(metrics, lambda: operator.watching.waits_for)
        port = await parts.enter_async_context(serving(settings.server_host, settings.server_port, service))
        where = settings.watch_namespace or "all namespaces"
        logs.info("started", port=port, api=cluster.access.host, watches=where)
        await operator.run(stop)
    logs.info("stopped")


def _unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Log what nobody caught, but for kopf's generators: they do not end in good order when it is cancelled."""
    if "asyncgen" not in context:
        loop.default_exception_handler(context)


async def _ended(task: asyncio.Task[object]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):  # who waited for it has seen its fault
        await task
