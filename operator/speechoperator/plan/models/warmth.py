"""Which pods load their models into memory before the first request, and whether the models fit there.

A pod is warm once each model that the bridge offers has been loaded since its container started, with exactly the
options that requests carry. What Ollama unloads later, after `keepAlive`, is not loaded again: the spec asks for that.
A pod's readiness does not depend on it: while the operator is down, pods start, become ready and serve, and the first
request loads the model. It only delays the condition Ready of the pipeline.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from speechoperator.api.names import object_name
from speechoperator.kube import objects
from speechoperator.kube.objects import Ref
from speechoperator.plan.actions import StartWarmUp
from speechoperator.plan.models import model_list, names, request_options
from speechoperator.plan.snapshot import Memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from speechoperator.kube.objects import Object
    from speechoperator.plan.models.ollama_pods import Pod
    from speechoperator.plan.models.request_options import ModelOptions
    from speechoperator.plan.snapshot import Snapshot, WarmUp


@dataclass(frozen=True, slots=True)
class Warmth:
    """Which pods are warm, and what is to be done about the others.

    Attributes:
        start: Warm-ups that must run.
        warm: The pods that are warm, each with the key of what it has loaded.
        cold: Names of the pods that have their models and are not warm yet.
        failed: A failed warm-up, the most useful to report; None if there is none.
        memory: What each model took when it was last seen in memory, by canonical name.
        evicted: Canonical names of the models that Ollama removed from memory to load others.
        requeue_after: Seconds until a failed warm-up may be retried; None if there is none.
    """

    start: tuple[StartWarmUp, ...] = ()
    warm: Mapping[str, str] = field(default_factory=dict)
    cold: tuple[str, ...] = ()
    failed: WarmUp | None = None
    memory: Mapping[str, Memory] = field(default_factory=dict)
    evicted: frozenset[str] = frozenset()
    requeue_after: float | None = None


def plan_warmth(
    pipeline: str,
    environment: Mapping[str, str],
    pods: Sequence[Pod],
    snapshot: Snapshot,
    now: datetime,
    port: int,
) -> Warmth:
    """Decide which pods load their models.

    Args:
        pipeline: The name of the pipeline.
        environment: The environment of the bridges according to the spec; what existing bridges have counts instead.
        pods: The active Ollama pods.
        snapshot: The snapshot; its status says which pods were warm.
        now: The time, for retries.
        port: The port of the Ollama pods.
    """
    loads = _loads(pipeline, environment, snapshot.objects)
    if not loads:
        return Warmth()
    known = _known(snapshot.status)
    settled = _settled(snapshot.objects.get(Ref("Deployment", object_name(pipeline, "bridge"))))
    start, warm, cold, waits = [], {}, [], []
    for pod in pods:
        if unfinished := _unfinished(pod, snapshot):  # an Ollama that loads a model may be too busy to list its models
            cold.append(pod.name)
            start.append(StartWarmUp(pod.name, "", unfinished.key, loads, continued=True))
            continue
        if pod.models is None or not {names.canonical(model) for model, _ in loads} <= pod.models:
            continue
        wanted = _key(pod, loads)
        loaded = _loaded(pod, wanted, snapshot, known.get(pod.name), settled=settled)
        if loaded is not None:
            if loaded:
                warm[pod.name] = loaded
            continue
        cold.append(pod.name)
        wait = _seconds_until_retry(snapshot.warm_ups.get(pod.name), wanted, now)
        address = objects.address(pod.raw, port)
        if wait > 0:
            waits.append(wait)
        elif address and pod.reachable:
            start.append(StartWarmUp(pod.name, address, wanted, loads))
    relevant = [one for name, one in sorted(snapshot.warm_ups.items()) if name in {pod.name for pod in pods}]
    return Warmth(
        tuple(start),
        warm,
        tuple(cold),
        failed=next((one for one in relevant if one.pod in cold and (one.stage == "Failed" or one.attempts)), None),
        memory=_memory(relevant, pods, snapshot),
        evicted=_evicted(relevant, snapshot),
        requeue_after=min(waits, default=None),
    )


def _loaded(pod: Pod, wanted: str, snapshot: Snapshot, known: str | None, *, settled: bool) -> str | None:
    """Return the key of what a pod counts as having loaded; empty if that is unknown, None if it has to load.

    Args:
        pod: The pod; it has its models.
        wanted: The key of what it should have loaded.
        snapshot: The snapshot.
        known: The key in the status.
        settled: Whether all bridges send the current options.
    """
    if not pod.reachable:
        asked = pod.name in snapshot.ollama
        return known or ("" if asked else None)  # it is about to be queried for the first time
    warm_up = snapshot.warm_ups.get(pod.name)
    if wanted == known or (warm_up and (warm_up.key, warm_up.stage) == (wanted, "Loaded")):
        return wanted
    if known and _container(known) == _container(wanted) and not settled:
        return known  # loading now would make each request of the bridges with the options before load again
    return wanted if _killed_for_memory(pod.raw) else None  # loading all models may be what killed it


def _unfinished(pod: Pod, snapshot: Snapshot) -> WarmUp | None:
    """Return the warm-up that goes on in a pod that does not respond now, but still runs the same container."""
    warm_up = snapshot.warm_ups.get(pod.name)
    if pod.reachable or warm_up is None or warm_up.stage != "Loading":
        return None
    return warm_up if _container(warm_up.key) == str(_restarts(pod)) else None


def _seconds_until_retry(warm_up: WarmUp | None, wanted: str, now: datetime) -> float:
    if warm_up is None or warm_up.retry_at is None or warm_up.key != wanted or warm_up.stage != "Failed":
        return 0.0
    return (warm_up.retry_at - now).total_seconds()


def _loads(
    pipeline: str, environment: Mapping[str, str], live: Mapping[Ref, Object]
) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return the models to load: the default last, so that it is in memory if not all of them fit.

    What the bridges have counts, unless it was edited beyond recognition: then the plan reverts it.
    """
    existing = (live.get(Ref("ConfigMap", object_name(pipeline, "bridge"))) or {}).get("data") or environment
    try:
        return _with_parameters(_offered(pipeline, existing, live), existing)
    except ValueError:
        return _with_parameters(request_options.models(environment), environment)


def _offered(pipeline: str, environment: Mapping[str, str], live: Mapping[Ref, Object]) -> dict[str, ModelOptions]:
    """Return the models that the bridges offer: from their list, or from the environment if they do not read it.

    Raises:
        ValueError: They cannot be parsed.
    """
    listed, bridge = live.get(model_list.ref(pipeline)), live.get(Ref("Deployment", object_name(pipeline, "bridge")))
    if listed is None or (bridge is not None and not model_list.is_read_by(bridge)):
        return request_options.models(environment)
    return model_list.models(listed)


def _with_parameters(
    models: Mapping[str, ModelOptions], environment: Mapping[str, str]
) -> tuple[tuple[str, dict[str, Any]], ...]:
    loads = [(name, request_options.parameters(environment, own)) for name, own in models.items()]
    return tuple(reversed(loads))


def _key(pod: Pod, loads: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """Return "RESTARTS-HASH": of a container of a pod, and of what it loads, including the digests of the models."""
    text = json.dumps([[name, how, pod.digests.get(names.canonical(name), "")] for name, how in loads], sort_keys=True)
    return f"{_restarts(pod)}-{sha256(text.encode()).hexdigest()[:12]}"


def _restarts(pod: Pod) -> int:
    states = objects.status(pod.raw).get("containerStatuses") or ()
    return sum(int(one.get("restartCount") or 0) for one in states)


def _killed_for_memory(pod: Object) -> bool:
    states = objects.status(pod).get("containerStatuses") or ()
    last = ((one.get("lastState") or {}).get("terminated") or {} for one in states)
    return any(one.get("reason") == "OOMKilled" for one in last)


def _container(key: str) -> str:
    return key.partition("-")[0]


def _known(status: Object) -> dict[str, str]:
    """Return which pods were warm when the status was written."""
    found = (status.get("ollama") or {}).get("warmPods") if isinstance(status.get("ollama"), dict) else None
    return {str(name): str(key) for name, key in found.items()} if isinstance(found, dict) else {}


def _settled(bridge: Object | None) -> bool:
    """Return whether all bridges have the current environment."""
    if bridge is None:
        return True
    status = objects.status(bridge)
    current = status.get("observedGeneration", 0) >= bridge["metadata"].get("generation", 0)
    return bool(current) and status.get("updatedReplicas", 0) == status.get("replicas", 0)


def _memory(warm_ups: Iterable[WarmUp], pods: Iterable[Pod], snapshot: Snapshot) -> dict[str, Memory]:
    """Return what each model takes: as seen now, or when it was loaded, or else as the status says.

    If pods differ, the one with the largest share outside of GPUs counts.
    """
    found: dict[str, Memory] = {}
    at_start = {one.pod: one.memory for one in warm_ups}
    for pod in pods:
        now = snapshot.ollama[pod.name].loaded if pod.name in snapshot.ollama else {}
        loaded = {**at_start.get(pod.name, {}), **{names.canonical(name): memory for name, memory in now.items()}}
        for name, memory in loaded.items():
            before = found.get(name)
            if before is None or memory.total - memory.gpu > before.total - before.gpu:
                found[name] = memory
    for model in _reported(snapshot.status):
        total, gpu = model.get("memoryBytes"), model.get("gpuBytes")
        if isinstance(total, int) and isinstance(gpu, int):
            found.setdefault(names.canonical(str(model["name"])), Memory(total, gpu))
    return found


def _evicted(warm_ups: Sequence[WarmUp], snapshot: Snapshot) -> frozenset[str]:
    if warm_ups:
        return frozenset(names.canonical(name) for one in warm_ups for name in one.evicted)
    swapped = (str(model["name"]) for model in _reported(snapshot.status) if model.get("swapped") is True)
    return frozenset(map(names.canonical, swapped))


def _reported(status: Object) -> Iterable[Object]:
    """Return the models of a status, ignoring malformed ones."""
    found = status.get("models")
    return (one for one in (found if isinstance(found, list) else ()) if isinstance(one, dict) and "name" in one)
