"""Observe: bring together everything a plan is made from. Nothing here waits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pydantic import ValidationError

from speechoperator.api import format_validation_error, kinds, labels
from speechoperator.api.names import INGRESS_CLASS_ANNOTATION
from speechoperator.api.pipeline import class_of
from speechoperator.kube import objects
from speechoperator.kube.objects import Ref
from speechoperator.observe import existing_claims, fetches, loads, services, shared_volumes
from speechoperator.observe.ingress_classes import IngressClasses
from speechoperator.observe.parsed import ParsedPipelines
from speechoperator.observe.polling import Polls, Target
from speechoperator.plan.snapshot import EXTERNAL, Health, OllamaPod, Snapshot, WriteFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from speechoperator.api import SpeechPipeline
    from speechoperator.kube.objects import Key, Object
    from speechoperator.observe.polling import Poller
    from speechoperator.observe.services import Sources
    from speechoperator.observe.warnings import Warnings
    from speechoperator.ollama.work import ModelWork
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
        work: The pulls and warm-ups in progress.
        sources: What it polls.
        settings: Ports and timeouts.
        clock: Returns the time, in UTC.
        may_update: Returns whether a pipeline may be updated to a new operator release now.
    """

    def __init__(
        self,
        store: Store,
        warnings: Warnings,
        poller: Poller,
        work: ModelWork,
        sources: Sources,
        settings: Settings,
        clock: Callable[[], datetime],
        may_update: Callable[[Key], bool],
    ) -> None:
        self._store = store
        self._warnings = warnings
        self._poller = poller
        self._work = work
        self._sources = sources
        self._ingress_classes = IngressClasses(sources.api)
        self._settings = settings
        self._clock = clock
        self._may_update = may_update
        self._parsed = ParsedPipelines()

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return self._clock()

    def raw(self, key: Key) -> Object | None:
        """Return a pipeline as the API server sent it, None if it is gone, terminating, or another operator's."""
        raw = self._store.pipeline(key)
        if raw is None or objects.terminating(raw) or class_of(raw) != self._settings.operator_class:
            return None
        return raw

    def observe(self, key: Key, failures: tuple[WriteFailure, ...] = ()) -> Observation | None:
        """Return what is known of a pipeline, None if it is gone, terminating, or another operator's by its class.

        What is unknown is polled meanwhile.

        Args:
            key: The pipeline.
            failures: The failed writes of the last reconcile.
        """
        raw, now = self.raw(key), self._clock()
        if raw is None:
            self._parsed.forget(key)
            return None
        try:
            pipeline = self._parsed.parse(key, raw)
        except ValidationError as error:
            return Observation(raw, None, format_validation_error(error), Snapshot(), now)
        polls = Polls(self._poller, key)
        snapshot = self._snapshot(polls, pipeline, raw, now, failures)
        polls.retain()
        return Observation(raw, pipeline, "", snapshot, now, polls.due, polls.complete, self._writable(key.namespace))

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
        present = {name for answer in ollama.values() for name in answer.models}
        volumes = (self._store, polls.key, pipeline.spec.ollama, pods, present)
        load = loads.observe(self._sources.loads, polls.key, pipeline, pods, now.timestamp())
        pvcs = [thing for ref, thing in owned.items() if ref.kind == "PersistentVolumeClaim"]
        return Snapshot(
            objects=owned,
            pods=pods,
            ollama=ollama,
            external=self._external(polls, pipeline, ollama),
            pulls=self._work.pulls.of(polls.key),
            waiting_pulls=self._work.pulls.waiting(polls.key),
            refreshed=self._work.pulls.refreshed(polls.key),
            warm_ups=self._work.warm_ups.of(polls.key, {objects.name(pod) for pod in pods if objects.alive(pod)}),
            wanted_by_others=shared_volumes.wanted_by_others(*volumes),
            defined_by_others=shared_volumes.defined_by_others(*volumes),
            canary=self._sources.canaries.of(polls.key),
            fetches=fetches.latest(polls, pods),
            existing_claims=existing_claims.obstacles(polls, self._sources.api, pipeline, owned),
            ingress_class_missing=self._missing_class(polls, pipeline),
            pvc_warnings=self._warnings.about_pvcs(polls, pvcs, now),
            pod_warnings=self._warnings.about_pods(polls, pods, now),
            loads=load.loads,
            pod_loads=load.pods,
            models_revisions=load.models_revisions,
            may_update=self._may_update(polls.key),
            failures=failures,
            unreadable=self._failed_reads(polls.key.namespace),
            status=objects.status(raw),
        )

    def _failed_reads(self, namespace: str) -> tuple[WriteFailure, ...]:
        """Return the kinds that cannot be listed in a namespace, in the same form as failed writes."""
        return tuple(
            WriteFailure(Ref(kind, ""), error.request.verb, error.status, error.message)
            for kind, error in self._store.unreadable_in(namespace).items()
        )

    def _writable(self, namespace: str) -> bool:
        return all(self._store.listed(kind, namespace) for kind in kinds.WATCHED if kind not in kinds.OPTIONAL)

    def _models(self, polls: Polls, pipeline: SpeechPipeline, pods: tuple[Object, ...]) -> Mapping[str, OllamaPod]:
        """Return what each Ollama has. A pod is polled more often until it has all models."""
        spec = pipeline.spec.ollama
        if not spec.managed:
            polled = self._sources.external.latest_ollama(polls, spec, MODELS)
            return {EXTERNAL: polled} if polled else {}
        found = {}
        for pod in pods:
            url = objects.address(pod, self._settings.ollama_port)
            if labels.component_of(pod) != "ollama" or not objects.alive(pod) or not objects.running(pod) or not url:
                continue
            interval = _POLL_STEADY_S if objects.containers_ready(pod) else _POLL_CHANGING_S
            version = "started" if objects.started(pod) else "starting"
            if polled := self._poll_ollama(polls, objects.uid(pod), url, interval, version):
                found[objects.name(pod)] = polled
        return found

    def _poll_ollama(self, polls: Polls, uid: str, url: str, interval: float, version: str) -> OllamaPod | None:
        return polls.latest(
            Target(MODELS, f"{uid} {url}"),
            partial(services.ollama, self._sources.ollama, url),
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
            found["ollama"] = Health(polled.reachable, polled.detail, polled.rejected)
        whisper = pipeline.spec.whisper
        if whisper.url and (health := self._sources.external.latest_whisper(polls, whisper)):
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
