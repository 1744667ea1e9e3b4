"""Metrics about single pipelines, from their statuses in the store, on the leader alone.

Nothing is kept up to date between two scrapes. A scrape renders only the pipelines that have changed since the one
before; the text of the others is kept. So the text format of Prometheus is written here: its client would format every
sample of every pipeline again, on each scrape.
https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from speechoperator.api.pipeline import class_of
from speechoperator.kube import objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from speechoperator.kube.objects import Key, Object
    from speechoperator.watch.store import Store


class Family(NamedTuple):
    """A gauge with a series for each pipeline.

    Attributes:
        name: Its name.
        labels: Its labels after `namespace` and `name`, which are those of the pipeline.
        text: What it is.
    """

    name: str
    labels: tuple[str, ...]
    text: str


CONDITION = Family(
    "speechoperator_pipeline_condition",
    ("type", "status"),
    "Conditions of a pipeline: 1 for the current status, 0 for the other two",
)
DESIRED = Family(
    "speechoperator_pipeline_replicas_desired",
    ("component",),
    "Desired replicas of a component that is not external",
)
READY = Family(
    "speechoperator_pipeline_replicas_ready", ("component",), "Ready replicas of a component that is not external"
)
COMPLETED = Family(
    "speechoperator_pipeline_model_completed_bytes", ("model",), "Bytes of a model pulled so far, while it is pulled"
)
TOTAL = Family(
    "speechoperator_pipeline_model_total_bytes", ("model",), "Bytes of a model to pull in all, while it is pulled"
)
FAMILIES = (CONDITION, DESIRED, READY, COMPLETED, TOTAL)

_STATUSES = ("True", "False", "Unknown")
_COMPONENTS = ("whisper", "ollama", "bridge")


class PipelineMetrics:
    """Renders the metrics. Not thread-safe.

    Args:
        store: What is known of the cluster.
        operator_class: The class of the pipelines that are this operator's.
        leading: Whether this replica is the leader; on standby it exposes none of these metrics.
    """

    def __init__(self, store: Store, operator_class: str, leading: Callable[[], bool]) -> None:
        self._store = store
        self._class = operator_class
        self._leading = leading
        self._rendered: dict[Key, tuple[int, tuple[str, ...]]] = {}

    def exposition(self) -> bytes:
        """Return the text of all families; empty on standby."""
        if not self._leading():
            self._rendered.clear()
            return b""
        known, self._rendered = self._rendered, {}
        for key, version in self._store.versions():
            before = known.get(key)
            self._rendered[key] = before if before and before[0] == version else (version, self._render(key))
        blocks = list(zip(*(lines for _, lines in self._rendered.values()), strict=True)) or [()] * len(FAMILIES)
        return "".join(
            f"# HELP {family.name} {family.text}\n# TYPE {family.name} gauge\n{''.join(lines)}"
            for family, lines in zip(FAMILIES, blocks, strict=True)
        ).encode()

    def _render(self, key: Key) -> tuple[str, ...]:
        """Return the lines of a pipeline, by family."""
        raw = self._store.pipeline(key)
        if raw is None or class_of(raw) != self._class:
            return ("",) * len(FAMILIES)
        lines = dict.fromkeys(FAMILIES, "")
        pipeline = f'namespace="{key.namespace}",name="{key.name}"'  # both are names of Kubernetes: nothing to escape
        for family, values, number in _samples(objects.status(raw)):
            labels = "".join(f',{label}="{_escape(value)}"' for label, value in zip(family.labels, values, strict=True))
            lines[family] += f"{family.name}{{{pipeline}{labels}}} {number}\n"
        return tuple(lines.values())


def _samples(status: Object) -> Iterator[tuple[Family, tuple[str, ...], int]]:
    """Yield the samples of a status: the family, the values of its labels, the value."""
    for condition in status.get("conditions") or ():
        for one in _STATUSES:
            yield CONDITION, (condition["type"], one), int(condition["status"] == one)
    for component in _COMPONENTS:
        replicas = status.get(component) or {}
        if "desired" in replicas:
            yield DESIRED, (component,), replicas["desired"]
            yield READY, (component,), replicas.get("ready", 0)
    for model in status.get("models") or ():
        if "totalBytes" in model:
            yield COMPLETED, (model["name"],), model.get("completedBytes", 0)
            yield TOTAL, (model["name"],), model["totalBytes"]


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
