"""Snapshots of Ollama pods, their models and their pulls, and the plan for the models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cluster.pipelines import of_ollama, pipeline
from fakes.planned_cluster import NOON
from speechoperator.api import LanguageModel, SpeechPipeline
from speechoperator.kube.objects import Ref
from speechoperator.plan.models.definitions import is_internal, source_marker
from speechoperator.plan.models.lifecycle import ModelPlan, plan_models
from speechoperator.plan.models.pull_errors import retry_at
from speechoperator.plan.snapshot import OllamaPod, Pull, Snapshot

if TYPE_CHECKING:
    from datetime import datetime

Object = dict[str, Any]

POD = "calls-ollama-a"
VOLUME = "pvc:calls-ollama"
MISSING = "pull model manifest: file does not exist"


def ollama_pod(
    name: str = POD,
    pvc: str | None = "calls-ollama",
    ip: str = "10.0.0.7",
    *,
    ready: bool = True,
) -> Object:
    """A running Ollama pod; `ready` is what its probe says."""
    volume = {"persistentVolumeClaim": {"claimName": pvc}} if pvc else {"emptyDir": {}}
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": {"app.kubernetes.io/component": "ollama"}},
        "spec": {"volumes": [{"name": "cache", **volume}]},
        "status": {
            "phase": "Running",
            "podIP": ip,
            "containerStatuses": [{"name": "ollama", "ready": ready, "started": True, "state": {"running": {}}}],
        },
    }


def terminating(pod: Object) -> Object:
    """The pod after its deletion."""
    return pod | {"metadata": pod["metadata"] | {"deletionTimestamp": "2026-11-23T12:00:00Z"}}


def has(*names: str) -> OllamaPod:
    """The answer of an Ollama with these models; those that have no internal name were pulled by their name."""
    pulled = (source_marker(name, name) for name in names if not is_internal(name))
    return OllamaPod(reachable=True, models=dict.fromkeys((*names, *pulled), "digest"))


def decide(
    *models: str | Object,
    pods: tuple[Object, ...] = (),
    answers: dict[str, OllamaPod] | None = None,
    pulls: tuple[Pull, ...] = (),
    offers: tuple[str, ...] = (),
    required: tuple[str, ...] = ("llama3:latest",),
    waiting: dict[tuple[str, str], str] | None = None,
    refreshed: dict[tuple[str, str], datetime] | None = None,
    status: Object | None = None,
    objects: dict[Ref, Object] | None = None,
    defined: tuple[Object, ...] = (),
    on: str = VOLUME,
    **ollama: Any,
) -> ModelPlan:
    """The plan for the models of a spec (llama3 if none is given) in a snapshot.

    `required` are the models that the readiness probe of the pods requires, `waiting` what pulls wait for, `defined`
    the models that the pipeline `other` has on the same volume, `on`.
    """
    listed = [one if isinstance(one, dict) else {"name": one} for one in models or ("llama3",)]
    wanted = SpeechPipeline.parse(pipeline(of_ollama(models=listed, **ollama)))
    found = Snapshot(
        objects={
            Ref("ConfigMap", "calls-ollama"): {"data": {"models": "".join(f"{name}\n" for name in required)}},
            **(objects or {}),
        },
        pods=pods,
        ollama=answers or {},
        pulls={(pull.volume, pull.model): pull for pull in pulls},
        waiting_pulls=waiting or {},
        refreshed=refreshed or {},
        status=status or {},
        defined_by_others={on: tuple(("pipeline other", LanguageModel.model_validate(one)) for one in defined)},
    )
    return plan_models(wanted, found, NOON, 11434, offers)


def pulling(model: str = "llama3", volume: str = VOLUME, **more: Any) -> Pull:
    """A running pull."""
    return Pull(model, volume, "Pulling", **more)


def failed(model: str = "llama3", attempts: int = 1, error: str = MISSING, volume: str = VOLUME) -> Pull:
    """A failed pull that waits for its retry."""
    return Pull(model, volume, "Failed", error=error, attempts=attempts, retry_at=retry_at(attempts, NOON))
