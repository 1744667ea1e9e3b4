"""What a pipeline's spec and status say as metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from speechoperator.kube import objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechoperator.kube.objects import Object


class Family(NamedTuple):
    """A metric with series for each pipeline.

    Attributes:
        name: Its name.
        labels: Its labels after `namespace` and `pipeline`.
        text: What it is.
        type: Its type.
    """

    name: str
    labels: tuple[str, ...]
    text: str
    type: Literal["gauge", "counter"] = "gauge"


def _family(name: str, text: str, *labels: str) -> Family:
    return Family(f"speechoperator_pipeline_{name}", labels, text)


CONDITION = _family(
    "condition", "Conditions of a pipeline: 1 for the current status, 0 for the other two", "type", "status"
)
REASON = _family("condition_reason", "Current reasons of the conditions of a pipeline; always 1", "type", "reason")
DESIRED = _family("replicas_desired", "Desired replicas of a component that is not external", "component")
READY = _family("replicas_ready", "Ready replicas of a component that is not external", "component")
GPU_BUDGET = _family("gpu_budget", "GPUs that Whisper and Ollama may use together; absent without a limit")
GPUS = _family("gpus_requested", "GPUs of the desired replicas of a component that is not external", "component")
BACKLOG = _family(
    "backlog_seconds", "Duration of the audio that waits for a Whisper pod, rounded up to 10, 20, 50, 100 s and so on"
)
BOTTLENECK = _family("bottleneck", "1 for the component that limits the pipeline, 0 for the others", "component")
COMPLETED = _family(
    "model_completed_bytes", "Bytes of a model downloaded so far, while it is downloaded", "component", "model"
)
TOTAL = _family("model_total_bytes", "Bytes of a model to download, while it is downloaded", "component", "model")
HAVING = _family("model_replicas_ready", "Ollama pods that have a model", "model")
MEMORY = _family("model_memory_bytes", "Memory that a loaded model takes, GPUs included", "model")
GPU_MEMORY = _family(
    "model_gpu_bytes",
    "GPU memory that a loaded model takes; less than its memory if some of it is on CPUs",
    "model",
)
OF_STATUS = (
    CONDITION,
    REASON,
    DESIRED,
    READY,
    GPU_BUDGET,
    GPUS,
    BACKLOG,
    BOTTLENECK,
    COMPLETED,
    TOTAL,
    HAVING,
    MEMORY,
    GPU_MEMORY,
)
DECISIONS = Family(
    "speechoperator_pipeline_scaling_decisions_total",
    ("component", "direction", "mode"),
    "Decisions to change the replicas of a component, since this replica became the leader",
    "counter",
)
FAMILIES = (*OF_STATUS, DECISIONS)

_STATUSES = ("True", "False", "Unknown")
_COMPONENTS = ("whisper", "ollama", "bridge")
_SCALED = ("whisper", "ollama")


def samples(raw: Object) -> Iterator[tuple[Family, tuple[str, ...], int]]:
    """Yield the samples of a pipeline: the family, the values of its labels, the value."""
    status = objects.status(raw)
    for condition in status.get("conditions") or ():
        for one in _STATUSES:
            yield CONDITION, (condition["type"], one), int(condition["status"] == one)
        yield REASON, (condition["type"], condition["reason"]), 1
    for component in _COMPONENTS:
        replicas = status.get(component) or {}
        if "desired" in replicas:
            yield DESIRED, (component,), replicas["desired"]
            yield READY, (component,), replicas.get("ready", 0)
    yield from _capacity(_part(raw, "spec"), status)
    yield from _models(status)


def _capacity(spec: Object, status: Object) -> Iterator[tuple[Family, tuple[str, ...], int]]:
    budget = _part(spec, "scaling").get("gpuBudget")
    if isinstance(budget, int):
        yield GPU_BUDGET, (), budget
    for component in _SCALED:
        desired = (status.get(component) or {}).get("desired")
        if desired is not None:
            component_spec = _part(spec, component)
            count = _part(component_spec, "gpu").get("count", 1) if component_spec.get("gpu") is not None else 0
            yield GPUS, (component,), desired * count if isinstance(count, int) else 0
            yield BOTTLENECK, (component,), int(status.get("bottleneck") == component)
    backlog = (status.get("whisper") or {}).get("backlogSeconds")
    if backlog is not None:
        yield BACKLOG, (), backlog


def _part(of: Object, name: str) -> Object:
    """Return an object within one, empty if there is none: an older definition lets any spec through."""
    part = of.get(name)
    return part if isinstance(part, dict) else {}


def _models(status: Object) -> Iterator[tuple[Family, tuple[str, ...], int]]:
    weights = (status.get("whisper") or {}).get("model")
    for component, models in (("whisper", (weights,) if weights else ()), ("ollama", status.get("models") or ())):
        for model in models:
            if "totalBytes" in model:
                yield COMPLETED, (component, model["name"]), model.get("completedBytes", 0)
                yield TOTAL, (component, model["name"]), model["totalBytes"]
    for model in status.get("models") or ():
        for family, member in ((HAVING, "replicasReady"), (MEMORY, "memoryBytes"), (GPU_MEMORY, "gpuBytes")):
            if member in model:
                yield family, (model["name"],), model[member]
