"""Observe: everything that a plan is made from, brought together from the caches. This waits for nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from speechoperator.api import labels
from speechoperator.api.names import MODELS_READY
from speechoperator.kube import objects
from speechoperator.observe import services, warnings
from speechoperator.observe.polling import Answers, Subject
from speechoperator.plan.snapshot import EXTERNAL, Health, OllamaPod, Snapshot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from speechoperator.api import SpeechPipeline
    from speechoperator.kube.client import Cluster
    from speechoperator.kube.objects import Key, Object
    from speechoperator.ollama.client import Ollama
    from speechoperator.ollama.pulls import Pulls
    from speechoperator.plan.snapshot import WriteFailure
    from speechoperator.settings import Settings
    from speechoperator.watch.store import Store

T = TypeVar("T")

MODELS = "models"
"""The topic of what an Ollama says that it has."""
_SOON, _WHILE_IT_CHANGES, _NOW_AND_THEN, _STEADY = 2.0, 10.0, 30.0, 60.0
_QUIET_AGE = 4.0
"""Seconds in which a new pod or claim may be unready without anybody asking why."""


class View(NamedTuple):
    """A look at a pipeline.

    Attributes:
        snapshot: What is known of it.
        requeue_after: In how many seconds to look again at what no watch tells; None when there is nothing of the kind.
        complete: Whether all questions have had an answer by now. Before that it is too early to report: what is only
            not known yet, after a start of the operator, would look like a change.
    """

    snapshot: Snapshot
    requeue_after: float | None
    complete: bool


@dataclass(slots=True)
class _Look:
    """One look at a pipeline: what was asked about, and when to look again."""

    answers: Answers
    key: Key
    subjects: set[Subject] = field(default_factory=set)
    again: float | None = None
    complete: bool = True

    def at(self, subject: Subject, ask: Callable[[], Awaitable[T]], max_age: Callable[[T], float]) -> T | None:
        self.subjects.add(subject)
        looked = self.answers.look(self.key, subject, ask, max_age)
        answer, again = looked
        self.within(again)
        self.complete = self.complete and (again is not None or subject.topic == MODELS)
        return answer

    def within(self, seconds: float | None) -> None:
        """Look again in so many seconds, if not before."""
        waits = [wait for wait in (self.again, seconds) if wait is not None]
        self.again = min(waits, default=None)


class Observer:
    """Looks at pipelines.

    Args:
        store: What the watches told.
        answers: What was asked in the background.
        pulls: Pulls under way.
        cluster: For what no watch tells.
        ollama: The client of Ollama.
        settings: Ports and time limits.
    """

    def __init__(
        self, store: Store, answers: Answers, pulls: Pulls, cluster: Cluster, ollama: Ollama, settings: Settings
    ) -> None:
        self._store = store
        self._answers = answers
        self._pulls = pulls
        self._cluster = cluster
        self._ollama = ollama
        self._settings = settings

    def observe(
        self,
        pipeline: SpeechPipeline,
        key: Key,
        status: Object,
        now: datetime,
        failures: tuple[WriteFailure, ...] = (),
    ) -> View:
        """Return what is known of a pipeline now. What is not known is asked for meanwhile."""
        look = _Look(self._answers, key)
        objects, pods = self._store.objects(key), self._store.pods(key)
        ollama = self._models(look, pipeline, pods)
        claims = [thing for ref, thing in objects.items() if ref.kind == "PersistentVolumeClaim"]
        snapshot = Snapshot(
            objects=objects,
            pods=pods,
            ollama=ollama,
            external=self._external(look, pipeline, ollama),
            pulls=self._pulls.of(key),
            ingress_class_missing=self._missing_class(look, pipeline),
            pvc_warnings=self._warnings(look, [claim for claim in claims if _unbound(claim)], now),
            pod_warnings=self._warnings(look, [pod for pod in pods if _unready(pod)], now),
            failures=failures,
            status=status,
        )
        self._answers.keep(key, look.subjects)
        return View(snapshot, look.again, look.complete)

    def _models(self, look: _Look, pipeline: SpeechPipeline, pods: tuple[Object, ...]) -> Mapping[str, OllamaPod]:
        """Return what each Ollama has: a pod is asked often until it has what it shall have."""
        spec = pipeline.spec.ollama
        if not spec.managed:
            said = self._ask_ollama(look, "", spec.url or "", _NOW_AND_THEN)
            return {EXTERNAL: said} if said else {}
        found = {}
        for pod in pods:
            address = objects.address(pod, self._settings.ollama_port)
            if labels.component_of(pod) != "ollama" or not objects.alive(pod) or not address or not _running(pod):
                continue
            steady = _STEADY if objects.holds(pod, MODELS_READY) else _WHILE_IT_CHANGES
            if said := self._ask_ollama(look, objects.uid(pod), address, steady):
                found[objects.name(pod)] = said
        return found

    def _ask_ollama(self, look: _Look, about: str, address: str, steady: float) -> OllamaPod | None:
        return look.at(
            Subject(MODELS, f"{about} {address}"),
            lambda: services.ollama(self._ollama, address),
            lambda said: steady if said.reachable else _SOON,
        )

    def _external(self, look: _Look, pipeline: SpeechPipeline, ollama: Mapping[str, OllamaPod]) -> Mapping[str, Health]:
        found = {}
        if said := ollama.get(EXTERNAL):
            found["ollama"] = Health(said.reachable, said.detail)
        whisper = pipeline.spec.whisper
        if (address := whisper.url) and (
            health := look.at(
                Subject("whisper", address),
                lambda: services.whisper(
                    address,
                    self._settings.ollama_timeout,
                    answers_while_busy=whisper.engine != "asr-webservice",
                ),
                lambda health: _NOW_AND_THEN if health.healthy else _SOON,
            )
        ):
            found["whisper"] = health
        return found

    def _missing_class(self, look: _Look, pipeline: SpeechPipeline) -> str | None:
        ingress = pipeline.spec.bridge.ingress
        if ingress is None:
            return None
        name = ingress.class_name or ""
        return look.at(
            Subject("ingress class", name),
            lambda: warnings.missing_class(self._cluster, name),
            lambda missing: _STEADY if missing is None else _SOON,
        )

    def _warnings(self, look: _Look, things: list[Object], now: datetime) -> Mapping[str, str]:
        """Return what Events say against objects that are not well; the older a fault, the more rarely it is asked."""
        found = {}
        for thing in things:
            age = (now - objects.parse_time(thing["metadata"]["creationTimestamp"])).total_seconds()
            if age < _QUIET_AGE:
                look.within(_QUIET_AGE - age)
                continue
            uid = objects.uid(thing)
            ask = partial(warnings.warning, self._cluster, look.key.namespace, uid)
            if said := look.at(Subject("events", uid), ask, partial(_patience, age)):
                found[objects.name(thing)] = said
        return found


def _patience(age: float, _: str) -> float:
    return min(_STEADY, max(_SOON, age / 3))


def _running(pod: Object) -> bool:
    return any("running" in (container.get("state") or {}) for container in objects.containers(pod))


def _unready(pod: Object) -> bool:
    """Tell whether a pod waits for something that its own status does not tell: it has a node and is not up."""
    return objects.alive(pod) and objects.holds(pod, "PodScheduled") and not objects.containers_ready(pod)


def _unbound(claim: Object) -> bool:
    return objects.status(claim).get("phase") != "Bound"
