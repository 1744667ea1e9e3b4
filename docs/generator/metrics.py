"""The pages of the metrics, from the services' Prometheus metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client.metrics import MetricWrapperBase

from generator.markdown import page, table
from speechbridge.telemetry.instruments import Family
from speechbridge.telemetry.metrics import Metrics as BridgeMetrics
from speechbridge.upstreams.failures import FailureKind
from speechoperator.report.pipeline_families import FAMILIES
from speechoperator.telemetry.metrics import Metrics as OperatorMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD = ("Name", "Type", "Labels", "Unit", "Description")
_ABOUT_PIPELINES = (
    "From the specs and statuses of the operator's pipelines; only the leader exposes them. `namespace` and `pipeline`\n"
    "name the pipeline. If Prometheus sets a label `namespace` itself, it renames this one to `exported_namespace`,\n"
    "unless the scrape has `honor_labels: true` (`honorLabels` of a ServiceMonitor or PodMonitor). Pipelines that are not\n"
    'ready: `speechoperator_pipeline_condition{type="Ready",status="True"} == 0`.\n'
)
_BRIDGE_LABELS = {
    "route": "pattern of the path, such as `/process`; `unmatched` for unknown paths",
    "outcome": (
        "of a request: `ok`, `partial` (transcribed, but generation failed), `rejected` (4xx), `overloaded`, "
        "`failed`, `deadline` (no progress, or the total used up) or `cancelled` (client disconnected); of a stage: "
        "`ok`, `failed`, `deadline` or `cancelled`"
    ),
    "stage": "`queue`, `transcribe` or `generate`",
    "model": "language model; empty if not applicable, `other` beyond 32 models",
    "queue": "`admission` or `whisper` (waiting for a pod)",
    "kind": f"of tokens: `prompt` or `completion`; of failures: {', '.join(f'`{kind}`' for kind in FailureKind)}",
    "reason": (
        "`displaced` (an idle connection, for a new one), `refused` (a new one: there are too many), `slow_head` (the "
        "head of a request did not end) or `stalled` (the client read nothing)"
    ),
    "where": "`memory` or `disk`",
    "upstream": "`whisper` or `llm`",
}
_OPERATOR_LABELS = {
    "result": "`ok`, `rejected` (the API server rejected a write; it is retried) or `error` (see `errors_total`)",
    "code": "[error code](operator-errors.md)",
    "kind": "kind of the object, as in manifests",
    "verb": "for writes `apply`, `create`, `delete`, or the patch type `merge`, `strategic`; for requests as in RBAC",
    "why": "`missing`, `changed`, `scaled`, `cost` (of a pod's deletion), `orphaned`, `pruned`, `status` or `event`",
    "resource": "as in `kubectl auth can-i`, such as `deployments.apps`",
    "status": "of requests the HTTP status, `none` without a response; of conditions `True`, `False` or `Unknown`",
    "namespace": "namespace of a pipeline",
    "pipeline": "name of a pipeline",
    "type": "[type of a condition](conditions.md)",
    "component": "`whisper`, `ollama` or `bridge`",
    "model": "as in `spec.ollama.models` and `spec.whisper.model`",
    "direction": "`up` or `down`",
    "mode": "`spec.scaling.mode` when it was decided: `Auto`, `Advisory` or `Off`",
    "changed": "`false` if the state was already known, such as after the operator's own writes; otherwise `true`",
    "outcome": "`ok` or `failed`",
}


def bridge_page() -> str:
    """Return the page of all metrics of the bridge."""
    return _metrics("bridge", BridgeMetrics(), _BRIDGE_LABELS)


def operator_page() -> str:
    """Return the page of all metrics of the operator."""
    rows = [
        (
            f"`{family.name}`",
            family.type,
            ", ".join(f"`{label}`" for label in ("namespace", "pipeline", *family.labels)),
            _unit(family.name),
            family.text,
        )
        for family in FAMILIES
    ]
    pipelines = ("## Metrics of pipelines\n", _ABOUT_PIPELINES, table(_HEAD, rows))
    return _metrics("operator", OperatorMetrics(), _OPERATOR_LABELS, *pipelines)


def _metrics(program: str, counted: object, labels: dict[str, str], *parts: str) -> str:
    found = [item for item in vars(counted).values() if isinstance(item, Family | MetricWrapperBase)]
    families = [(next(iter(item.describe())), item) for item in found]
    rows = [
        (
            f"`{family.name}{'_total' if family.type == 'counter' else ''}`",
            family.type,
            ", ".join(f"`{label}`" for label in _label_names(item)),
            _unit(family.name),
            family.documentation,
        )
        for family, item in families
    ]
    return page(
        f"Metrics of the {program}",
        "At `/metrics`, in the Prometheus text format. Histograms have `_bucket`, `_sum` and `_count` series.\n"
        "The Python client adds its `process_*` metrics and `python_info`.",
        table(_HEAD, rows),
        *parts,
        "## Labels\n",
        table(("Label", "Values"), [(f"`{label}`", text) for label, text in labels.items()]),
    )


def _label_names(item: Family[Any] | MetricWrapperBase) -> Sequence[str]:
    return item.label_names if isinstance(item, Family) else item._labelnames  # noqa: SLF001 - there is no public access


def _unit(name: str) -> str:
    if "seconds" in name.split("_"):
        return "seconds"
    return "bytes" if name.endswith("_bytes") else "ratio" if name.endswith("_factor") else "count"
