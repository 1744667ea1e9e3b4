"""The operator's process: creates its components, and starts and stops them in order."""

from __future__ import annotations

import asyncio
import signal
import uuid
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from speechoperator.apply.applier import Applier
from speechoperator.apply.writer import Writer
from speechoperator.canary.runs import Canaries
from speechoperator.kube.configuration import load_configuration
from speechoperator.kube.fenced_client import FencedClient
from speechoperator.kube.leader_election import LeaderElection
from speechoperator.kube.rate_limit import RateLimit
from speechoperator.kube.unfenced_client import UnfencedClient
from speechoperator.kube.workqueue import WorkQueue
from speechoperator.memory import freeze_startup_objects
from speechoperator.observe.egress import Egress, parse_networks
from speechoperator.observe.external import ExternalServices
from speechoperator.observe.load_feed import LoadFeed
from speechoperator.observe.load_stream import LoadClient
from speechoperator.observe.observer import MODELS, Observer
from speechoperator.observe.polling import Poller
from speechoperator.observe.services import Sources
from speechoperator.observe.warnings import Warnings
from speechoperator.ollama.client import OllamaClient
from speechoperator.ollama.work import ModelWork
from speechoperator.reconciler import Reconciler
from speechoperator.report.pipeline_metrics import PipelineMetrics
from speechoperator.report.recorder import Recorder
from speechoperator.report.reporter import Reporter
from speechoperator.scaling_memory import ScalingMemory
from speechoperator.telemetry import logs
from speechoperator.telemetry.metrics import Metrics
from speechoperator.telemetry.server import Service, serving
from speechoperator.update_slots import UpdateSlots
from speechoperator.watch.pod_warnings import SCALE_UPS, WARNINGS, PodWarnings, PodWarningsWatcher
from speechoperator.watch.store import Store
from speechoperator.watch.watcher import Watcher
from speechoperator.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechoperator.kube.objects import Key
    from speechoperator.settings import Settings


class Operator:
    """One replica of the operator; `run` it once.

    Args:
        settings: The settings.
        client: The client of the API server.
        ollama: The client of the Ollama pods.
        external: Probes external services.
        loads: Reads the load of pods.
        limit: Limits the rate of requests to the API server.
        metrics: The metrics.
        restore_signals: Called after kopf has installed its own signal handlers.
    """

    def __init__(
        self,
        settings: Settings,
        client: UnfencedClient,
        ollama: OllamaClient,
        external: ExternalServices,
        loads: LoadClient,
        limit: RateLimit,
        metrics: Metrics,
        restore_signals: Callable[[], None],
    ) -> None:
        identity = f"{settings.pod_name}_{uuid.uuid4().hex[:8]}"
        self.store = store = Store()
        self.queue: WorkQueue[Key] = WorkQueue(settings.retry_base_delay, settings.retry_max_delay, metrics)
        self.queue.close()  # until this replica is the leader
        self.election = LeaderElection(client, settings, identity, monotonic)
        pod_warnings, autoscaler = PodWarnings(store), PodWarnings(store)
        self._warnings_watchers = [
            PodWarningsWatcher(client, found, fields, namespace, self.queue.add)
            for found, selectors in ((pod_warnings, WARNINGS), (autoscaler, SCALE_UPS))
            for fields in selectors
            for namespace in settings.namespaces
        ]
        self.watcher = Watcher(client, store, self.queue, settings, metrics, restore_signals)
        self.poller = poller = Poller(self.queue.add)
        self.work = work = ModelWork.create(
            ollama, metrics, self.queue.add, lambda key: poller.refresh(key, MODELS), settings.max_pulls
        )
        self.canaries = canaries = Canaries(self.queue.add, lambda: datetime.now(UTC))
        self.loads = feed = LoadFeed(loads, self._reconcile_after, settings.max_load_streams)
        self.slots = slots = UpdateSlots(settings.rollout_concurrency, settings.gpu_rollout_concurrency, self.queue.add)
        self.memory = ScalingMemory()
        fenced = FencedClient(client, store, metrics, self.election.time_left, limit)
        self.reconciler = Reconciler(
            Observer(
                store,
                Warnings(pod_warnings, autoscaler, client),
                poller,
                work,
                Sources(client, ollama, external, canaries, feed),
                settings,
                lambda: datetime.now(UTC),
                slots.holds,
            ),
            Applier(Writer(fenced, client, store), work, canaries, metrics),
            Reporter(Recorder(fenced, identity), store),
            slots,
            self.memory,
            [work.forget, poller.forget, canaries.forget, feed.forget],
            settings,
            metrics,
        )
        self._hang_timeout_s = settings.hang_timeout
        self._idle_since: float | None = None
        self._workers = Workers(settings.workers, self.queue, self.reconciler, metrics)
        metrics.follow(metrics.load_streams, lambda: len(feed))
        metrics.follow(metrics.leader, lambda: float(self.election.is_leader.is_set()))
        leading = self.election.is_leader.is_set
        pipeline_metrics = PipelineMetrics(store, settings.operator_class, leading, self.memory.decisions)
        metrics.include(pipeline_metrics.exposition)
        metrics.follow(metrics.pipelines, lambda: sum(1 for _ in store.pipelines()))

    def _reconcile_after(self, key: Key, seconds: float) -> None:
        if seconds > 0:
            self.queue.after(key, seconds)
        else:
            self.queue.add(key)

    def not_alive(self) -> str:
        """Return why the process has to be restarted, "" if it does not."""
        return self._workers.hung(self._hang_timeout_s) or self._idle()

    def _idle(self) -> str:
        """Return that this replica has been the leader for long and does not work, "" if it has not.

        A worker that hangs is noticed by itself; this is for what comes before and after the work.
        """
        if not self.election.is_leader.is_set() or not self.watcher.synced.is_set() or self._workers.running:
            self._idle_since = None
            return ""
        now = monotonic()
        self._idle_since = now if self._idle_since is None else self._idle_since
        seconds = now - self._idle_since
        return f"the leader has had no workers for {seconds:.0f} s" if seconds > self._hang_timeout_s else ""

    async def run(self, stop: asyncio.Event) -> None:
        """Run until told to stop; then stop in order, and release the Lease.

        Raises:
            Exception: a bug in the operator; the process must exit, and be restarted.
        """
        watching = asyncio.create_task(self.watcher.run(), name="watcher")
        warned = [asyncio.create_task(watcher.run(), name="warnings") for watcher in self._warnings_watchers]
        electing = asyncio.create_task(self.election.run(), name="election")
        leading = asyncio.create_task(self.lead(), name="leader")
        stopping = asyncio.create_task(stop.wait())
        try:
            ended, _ = await asyncio.wait(
                {watching, *warned, electing, leading, stopping}, return_when=asyncio.FIRST_COMPLETED
            )
            logs.info("stopping", leader=self.election.is_leader.is_set())
            for task in ended - {stopping}:
                task.result()
        finally:
            for task in (leading, electing, *warned, watching, stopping):
                await _cancel(task)
            await self.election.release()

    async def lead(self) -> None:
        """Reconcile whenever this replica is the leader."""
        await self.watcher.synced.wait()
        freeze_startup_objects()
        while True:
            await self.election.is_leader.wait()
            self.slots.resume(raw for key in list(self.store.pipelines()) if (raw := self.store.pipeline(key)))
            self.queue.open()
            for key in self.store.pipelines():
                self.queue.add(key)
            working = asyncio.create_task(self._workers.run(), name="workers")
            standby = asyncio.create_task(self.election.is_standby.wait())
            try:
                await asyncio.wait({working, standby}, return_when=asyncio.FIRST_COMPLETED)
                if working.done():
                    _raise_crash(working)
            finally:
                await _cancel(working)
                await _cancel(standby)
                await self.work.close()
                self.poller.close()
                self.canaries.close()
                self.loads.close()
                self.slots.clear()
                self.memory.clear()
                self.queue.close()


async def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; return the exit code: 1 if the address cannot be listened on.

    Raises:
        NoClusterError: no API server is configured.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def handle_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)

    handle_signals()
    loop.set_exception_handler(_unhandled)
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        limit = RateLimit(settings.kube_api_qps, settings.kube_api_burst)
        metrics.follow(metrics.api_waiting, lambda: limit.waiting)
        client = await stack.enter_async_context(
            UnfencedClient(await load_configuration(), settings.request_timeout, metrics, limit)
        )
        timeouts = settings.ollama_timeout, settings.pull_stall_timeout
        egress = Egress(parse_networks(settings.url_denied_networks))
        ollama = await stack.enter_async_context(OllamaClient(*timeouts))
        guarded = await stack.enter_async_context(OllamaClient(*timeouts, egress.socket))
        external = ExternalServices(client, guarded, egress, settings.ollama_timeout)
        loads = await stack.enter_async_context(LoadClient(egress))
        operator = Operator(settings, client, ollama, external, loads, limit, metrics, handle_signals)
        service = Service(metrics, lambda: operator.watcher.not_ready, operator.not_alive)
        try:
            host, port = await stack.enter_async_context(serving(settings.server_host, settings.server_port, service))
        except OSError as error:
            logs.error("cannot listen", host=settings.server_host, port=settings.server_port, reason=str(error))
            return 1
        if settings.watch_namespace:
            logs.warning("WATCH_NAMESPACE is deprecated: use WATCH_NAMESPACES, which takes a list")
        watched = ", ".join(filter(None, settings.namespaces)) or "all namespaces"
        logs.info("listening", host=host, port=port, api_server=client.configuration.host, watches=watched)
        await operator.run(stop)
    logs.info("stopped")
    return 0


def _raise_crash(task: asyncio.Task[None]) -> None:
    """Log a crash of the workers, and raise it."""
    try:
        task.result()
    except Exception:
        logs.exception("the workers crashed")
        raise


def _unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Log unhandled exceptions, except those of kopf's generators: they do not close cleanly when cancelled."""
    if "asyncgen" not in context:
        loop.default_exception_handler(context)


async def _cancel(task: asyncio.Task[object]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):  # `run` has raised the exception already
        await task
