"""A reconciler with all its components real except the API server and Ollama."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from fakes.load import SilentStreams
from speechoperator.api import kinds
from speechoperator.apply.applier import Applier
from speechoperator.apply.writer import Writer
from speechoperator.canary.runs import Canaries
from speechoperator.kube.fenced_client import FencedClient
from speechoperator.kube.objects import Key
from speechoperator.kube.rate_limit import RateLimit
from speechoperator.observe.egress import Egress
from speechoperator.observe.external import ExternalServices
from speechoperator.observe.load_feed import LoadFeed
from speechoperator.observe.observer import MODELS, Observer
from speechoperator.observe.polling import Poller
from speechoperator.observe.services import Sources
from speechoperator.observe.warnings import Warnings
from speechoperator.ollama.work import ModelWork
from speechoperator.reconciler import Reconciler, Result
from speechoperator.report.recorder import Recorder
from speechoperator.report.reporter import Reporter
from speechoperator.scaling_memory import ScalingMemory
from speechoperator.settings import Settings
from speechoperator.telemetry.metrics import Metrics
from speechoperator.update_slots import UpdateSlots
from speechoperator.watch.listing import replace
from speechoperator.watch.pod_warnings import PodWarnings
from speechoperator.watch.store import Scope, Store

if TYPE_CHECKING:
    from fakes.api_server import ApiServer
    from speechoperator.kube.unfenced_client import UnfencedClient
    from speechoperator.ollama.client import OllamaClient

KEY = Key("team", "p")
SPEC: dict[str, Any] = {"ollama": {"models": [{"name": "llama3"}]}}
FORBIDDEN = (
    'deployments.apps "p-bridge" is forbidden: User "op" cannot patch resource "deployments" in API group "apps"'
)


def pipeline(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "speechpipeline.dev/v1alpha1",
        "kind": "SpeechPipeline",
        "metadata": {"name": "p", "namespace": "team", "generation": 1},
        "spec": {**SPEC, **spec},
    }


class Bench:
    """A reconciler and the API server before it. `time_left` is what the Lease leaves; `now` passes by `later`."""

    def __init__(self, api: ApiServer, ollama: OllamaClient) -> None:
        self.api = api
        self.settings = Settings(verification=False)
        self.now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
        self.time_left = 15.0
        self.queued: set[Key] = set()
        self._news = asyncio.Event()
        self._ollama = ollama
        self.start()

    def start(self) -> None:
        """Start anew, as after a crash: all that was known is gone."""
        api = cast("UnfencedClient", self.api)
        settings, self.metrics = self.settings, Metrics()
        self.slots = UpdateSlots(settings.rollout_concurrency, settings.gpu_rollout_concurrency, self._queue)
        self.store = Store()
        self.poller = Poller(self._queue)
        self.work = ModelWork.create(
            self._ollama, self.metrics, self._queue, lambda key: self.poller.refresh(key, MODELS), 8
        )
        self.pulls = self.work.pulls
        self.canaries = Canaries(self._queue, lambda: self.now)
        self.loads = LoadFeed(SilentStreams(), lambda key, _: self._queue(key), limit=100)
        external = ExternalServices(api, self._ollama, Egress(()), settings.ollama_timeout)
        fenced = FencedClient(api, self.store, self.metrics, lambda: self.time_left, RateLimit(1000, 1000))
        self.writer = Writer(fenced, api, self.store)
        self.reconciler = Reconciler(
            Observer(
                self.store,
                Warnings(PodWarnings(self.store), PodWarnings(self.store), api),
                self.poller,
                self.work,
                Sources(api, self._ollama, external, self.canaries, self.loads),
                settings,
                lambda: self.now,
                self.slots.holds,
            ),
            Applier(self.writer, self.work, self.canaries, self.metrics),
            Reporter(Recorder(fenced, "operator-0"), self.store),
            self.slots,
            ScalingMemory(),
            [self.work.forget, self.poller.forget, self.canaries.forget, self.loads.forget],
            settings,
            self.metrics,
        )

    def _queue(self, key: Key) -> None:
        self.queued.add(key)
        self._news.set()

    async def news(self) -> None:
        """Wait until something in the background has news."""
        async with asyncio.timeout(5):
            await self._news.wait()

    async def once(self) -> Result:
        """Take in what there is, as the listings and watches do, and reconcile."""
        for kind in kinds.WATCHED:
            if Scope(kind.name, "") not in self.store.unreadable:
                replace(self.store, kind, self.api.all(kind.name), self.api.version())
        self.api.calls.clear()
        self._news.clear()
        return await self.reconciler.reconcile(KEY)

    async def settled(self) -> Result:
        """Reconcile until nothing is written any more."""
        for _ in range(20):
            result = await self.once()
            if not self.api.writes and not self.queued:
                return result
            self.queued.clear()
            await asyncio.sleep(0)
        raise AssertionError(f"still written: {self.api.writes}")

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @property
    def status(self) -> dict[str, Any]:
        found = self.api.find("SpeechPipeline", "p")
        assert found
        status: dict[str, Any] = found.get("status", {})
        return status

    def condition(self, kind: str) -> dict[str, Any]:
        return next(condition for condition in self.status["conditions"] if condition["type"] == kind)

    def built(self) -> dict[tuple[str, str], Any]:
        """What there is of the pipeline, without what differs from one time to another."""
        own = {"uid", "resourceVersion", "ownerReferences"}
        return {
            (kind, name): {
                **{field: value for field, value in thing.items() if field not in {"metadata", "status"}},
                **{field: value for field, value in thing["metadata"].items() if field not in own},
            }
            for (kind, _, name), thing in self.api.objects.items()
            if kind not in {"SpeechPipeline", "Event"}
        }
