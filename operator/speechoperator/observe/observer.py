"""Observe: bring together everything a plan is made from. Nothing here waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from speechoperator.api import SpeechPipeline, format_validation_error, kinds, labels
from speechoperator.api.names import INGRESS_CLASS_ANNOTATION, MODELS_READY
from speechoperator.kube import objects
from speechoperator.kube.objects import Ref
from speechoperator.observe import services
from speechoperator.observe.ingress_classes import IngressClasses
from speechoperator.observe.polling import Polls, Target
from speechoperator.plan.models.ollama_pods import running
from speechoperator.plan.snapshot import EXTERNAL, Health, OllamaPod, Snapshot, WriteFailure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from speechoperator.kube.client import KubeClient
    from speechoperator.kube.objects import Key, Object
    from speechoperator.observe.polling import Poller
    from speechoperator.observe.services import ExternalServices
    from speechoperator.observe.warnings import Warnings
    from speechoperator.ollama.client import OllamaClient
    from speechoperator.ollama.pulls import Pulls
    from speechoperator.settings import Settings
    from speechoperator.watch.store import Store

MODELS = "models"
"""The topic of the models that an Ollama has."""
_POLL_CHANGING_S, _POLL_SLOW_S, _POLL_STEADY_S = 10.0, 30.0, 60.0


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that is known about a pipeline at one moment.

    Attributes:
        raw: The pipeline, as the API server sent it.
        pipeline: The same, parsed; None if it is not valid.
        invalid: Why it is not valid, else "".
        snapshot: What a plan is made from.
        now: When it was observed, in UTC.
        requeue_after: Seconds until what is polled is outdated; None if nothing is polled.
        complete: Whether every poll has had a first result. Before that it is too early to report: what is merely
            unknown after a restart of the operator would look like a change.
        writable: Whether every kind has been listed at least once. Before that any object may exist unseen, and nothing
            may be written.
    """

    raw: Object
    pipeline: SpeechPipeline | None
    invalid: str
    snapshot: Snapshot
    now: datetime
    requeue_after: float | None = None
    complete: bool = True
    writable: bool = False


class Observer:
    """Observes pipelines.

    Args:
        store: What is known from lists and watches.
        warnings: The warnings about pods and PVCs.
        poller: What is polled in the background.
        pulls: The pulls in progress.
        client: What reads objects that are not watched.
        ollama: The client of the Ollama pods.
        external: Probes external services.
        settings: Ports and timeouts.
        clock: Returns the time, in UTC.
    """

    def __init__(
        self,
        store: Store,
        warnings: Warnings,
        poller: Poller,
        pulls: Pulls,
        client: KubeClient,
        ollama: OllamaClient,
        external: ExternalServices,
        settings: Settings,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._warnings = warnings
        self._poller = poller
        self._pulls = pulls
        self._client = client
        self._ingress_classes = IngressClasses(client)
        self._ollama = ollama
        self._external_services = external
        self._settings = settings
        self._clock = clock

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return self._clock()

    def raw(self, key: Key) -> Object | None:
        """Return a pipeline as the API server sent it, None if it is gone or terminating."""
        raw = self._store.pipeline(key)
        return None if raw is None or objects.terminating(raw) else raw

    def observe(self, key: Key, failures: tuple[WriteFailure, ...] = ()) -> Observation | None:
        """Return what is known of a pipeline, None if it is gone or terminating. What is unknown is polled meanwhile.

        Args:
            key: The pipeline.
            failures: The failed writes of the last reconcile.
        """
        raw, now = self.raw(key), self._clock()
        if raw is None:
            return None
        try:
            pipeline = SpeechPipeline.parse(raw)
        except ValidationError as error:
            return Observation(raw, None, format_validation_error(error), Snapshot(), now)
        polls = Polls(self._poller, key)
        snapshot = self._snapshot(polls, pipeline, raw, now, failures)
        polls.retain()
        return Observation(raw, pipeline, "", snapshot, now, polls.due, polls.complete, self._writable())

    def _snapshot(
        self,
        polls: Polls,
        pipeline: SpeechPipeline,
        raw: Object,
        now: datetime,
        failures: tuple[WriteFailure, ...],
    ) -> Snapshot:
        owned, pods = self._store.objects(polls.key), self._store.pods(polls.key)
        ollama = self._models(polls, pipeline, pods)
        pvcs = [thing for ref, thing in owned.items() if ref.kind == "PersistentVolumeClaim"]
        return Snapshot(
            objects=owned,
            pods=pods,
            ollama=ollama,
            external=self._external(polls, pipeline, ollama),
            pulls=self._pulls.of(polls.key),
            ingress_class_missing=self._missing_class(polls, pipeline),
            pvc_warnings=self._warnings.about_pvcs(polls, pvcs, now),
            pod_warnings=self._warnings.about_pods(polls, pods, now),
            failures=failures,
            unreadable=self._failed_reads(),
            status=objects.status(raw),
        )

    def _failed_reads(self) -> tuple[WriteFailure, ...]:
        """Return the kinds that cannot be listed, in the same form as failed writes."""
        return tuple(
            WriteFailure(Ref(kind, ""), error.request.verb, error.status, error.message)
            for kind, error in self._store.unreadable.items()
        )

    def _writable(self) -> bool:
        return all(self._store.listed(kind) for kind in kinds.WATCHED if kind not in kinds.OPTIONAL)

    def _models(self, polls: Polls, pipeline: SpeechPipeline, pods: tuple[Object, ...]) -> Mapping[str, OllamaPod]:
        """Return what each Ollama has. A pod is polled more often until it has all models."""
        spec = pipeline.spec.ollama
        if not spec.managed:
            polled = self._poll_ollama(polls, self._external_services.ollama, "", spec.url or "", _POLL_SLOW_S)
            return {EXTERNAL: polled} if polled else {}
        found = {}
        for pod in pods:
            url = objects.address(pod, self._settings.ollama_port)
            if labels.component_of(pod) != "ollama" or not objects.alive(pod) or not running(pod) or not url:
                continue
            interval = _POLL_STEADY_S if objects.holds(pod, MODELS_READY) else _POLL_CHANGING_S
            version = "ready" if objects.containers_ready(pod) else "starting"
            if polled := self._poll_ollama(polls, self._pod_models, objects.uid(pod), url, interval, version):
                found[objects.name(pod)] = polled
        return found

    async def _pod_models(self, url: str) -> OllamaPod:
        return await services.ollama(self._ollama, url)

    @staticmethod
    def _poll_ollama(
        polls: Polls,
        fetch: Callable[[str], Awaitable[OllamaPod]],
        uid: str,
        url: str,
        interval: float,
        version: str = "",
    ) -> OllamaPod | None:
        return polls.latest(
            Target(MODELS, f"{uid} {url}"),
            lambda: fetch(url),
            lambda _: interval,
            failed=lambda polled: not polled.reachable,
            version=version,
            required=False,
        )

    def _external(
        self, polls: Polls, pipeline: SpeechPipeline, ollama: Mapping[str, OllamaPod]
    ) -> Mapping[str, Health]:
        found = {}
        if polled := ollama.get(EXTERNAL):
            found["ollama"] = Health(polled.reachable, polled.detail)
        whisper = pipeline.spec.whisper
        if (url := whisper.url) and (
            health := polls.latest(
                Target("whisper", url),
                lambda: self._external_services.whisper(url, responds_while_busy=whisper.engine != "asr-webservice"),
                lambda _: _POLL_SLOW_S,
                failed=lambda health: not health.healthy,
            )
        ):
            found["whisper"] = health
        return found

    def _missing_class(self, polls: Polls, pipeline: SpeechPipeline) -> str | None:
        ingress = pipeline.spec.bridge.ingress
        if ingress is None or INGRESS_CLASS_ANNOTATION in ingress.annotations:
            return None
        name = ingress.class_name or ""
        return polls.latest(
            Target("ingress class", name),
            lambda: self._ingress_classes.missing(name),
            lambda _: _POLL_STEADY_S,
            failed=lambda missing: missing is not None,
        )
