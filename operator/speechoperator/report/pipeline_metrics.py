"""Metrics about single pipelines, from what is in the store and what the scaler decided, on the leader alone.

Nothing is kept up to date between two scrapes. A scrape renders only the pipelines that have changed since the one
before; the text of the others is kept. So the text format of Prometheus is written here: its client would format every
sample of every pipeline again, on each scrape.
https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from speechoperator.api.pipeline import class_of
from speechoperator.report.pipeline_families import DECISIONS, FAMILIES, OF_STATUS, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from speechoperator.kube.objects import Key
    from speechoperator.report.pipeline_families import Family
    from speechoperator.watch.store import Store

Decisions: TypeAlias = "Mapping[Key, Mapping[tuple[str, str, str], int]]"
"""Of each pipeline, how often the scaler decided something, by component, direction and mode."""


class PipelineMetrics:
    """Renders the metrics. Not thread-safe.

    Args:
        store: What is known of the cluster.
        operator_class: The class of the pipelines that are this operator's.
        leading: Whether this replica is the leader; on standby it exposes none of these metrics.
        decisions: The decisions of the scaler.
    """

    def __init__(self, store: Store, operator_class: str, leading: Callable[[], bool], decisions: Decisions) -> None:
        self._store = store
        self._class = operator_class
        self._leading = leading
        self._decisions = decisions
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
        blocks = list(zip(*(lines for _, lines in self._rendered.values()), strict=True)) or [()] * len(OF_STATUS)
        decided = tuple(
            _line(DECISIONS, key, values, number)
            for key, counts in self._decisions.items()
            for values, number in counts.items()
        )
        return "".join(
            f"# HELP {family.name} {family.text}\n# TYPE {family.name} {family.type}\n{''.join(lines)}"
            for family, lines in zip(FAMILIES, (*blocks, decided), strict=True)
        ).encode()

    def _render(self, key: Key) -> tuple[str, ...]:
        """Return the lines of a pipeline, by family."""
        raw = self._store.pipeline(key)
        if raw is None or class_of(raw) != self._class:
            return ("",) * len(OF_STATUS)
        lines = dict.fromkeys(OF_STATUS, "")
        for family, values, number in samples(raw):
            lines[family] += _line(family, key, values, number)
        return tuple(lines.values())


def _line(family: Family, key: Key, values: tuple[str, ...], number: int) -> str:
    labels = "".join(f',{label}="{_escape(value)}"' for label, value in zip(family.labels, values, strict=True))
    # namespace and name are names of Kubernetes: nothing to escape
    return f'{family.name}{{namespace="{key.namespace}",pipeline="{key.name}"{labels}}} {number}\n'


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
