"""The pages of the metrics, from the services' Prometheus metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from generator import definitions
from generator.markdown import page, table
from speechbridge.telemetry.metrics import REQUEST_OUTCOMES, STAGE_OUTCOMES
from speechbridge.upstreams.failures import FailureKind
from speechwhisper.recognition.judging import Doubt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from generator.definitions import Definition

_ABOUT_PIPELINES = (
    "From the specs and statuses of the operator's pipelines; only the leader exposes them. `namespace` and\n"
    "`pipeline` name the pipeline. If Prometheus sets a label `namespace` itself, it renames this one to\n"
    "`exported_namespace`, unless the scrape has `honor_labels: true` (`honorLabels` of a ServiceMonitor or\n"
    "PodMonitor; those of the chart have it). Pipelines that are not ready:\n"
    '`speechoperator_pipeline_condition{type="Ready",status="True"} == 0`.\n'
)
_OPEN_METRICS = (
    "in the Prometheus text format, or in that of OpenMetrics, with exemplars, if the `Accept` header of the\n"
    "scrape names it"
)


def _listed(values: dict[str, str]) -> str:
    """Return values with their notes, where they have one."""
    return ", ".join(f"`{value}` ({note})" if note else f"`{value}`" for value, note in values.items())


_BRIDGE_LABELS = {
    "route": "pattern of the path, such as `/process`; `unmatched` for unknown paths",
    "outcome": (
        f"of a request: {_listed(REQUEST_OUTCOMES)}; of a stage, and of a hold for one: {_listed(STAGE_OUTCOMES)}"
    ),
    "stage": "`queue`, `transcribe` or `generate`; of held and waiting requests the one that they are held for",
    "model": "language model; empty if not applicable, `other` beyond 32 models",
    "queue": "`admission` or `whisper` (waiting for a pod)",
    "kind": f"of tokens: `prompt` or `completion`; of failures: {', '.join(f'`{kind}`' for kind in FailureKind)}",
    "reason": (
        "`displaced` (an idle connection, for a new one), `refused` (a new one: there are too many), `slow_head` (the "
        "head of a request did not end) or `stalled` (the client read nothing)"
    ),
    "where": "`memory` or `disk`",
    "upstream": "`whisper` or `llm`",
    "gen_ai_operation_name": "`chat`",
    "gen_ai_provider_name": "`ollama` or `openai`, the protocol of the language model's pods",
    "gen_ai_request_model": "as `model`",
    "error_type": (
        "empty if the request succeeded; otherwise the `kind` of the failure, `deadline`, `cancelled` (client "
        "disconnected) or `failed` (error of the bridge)"
    ),
}
_WHISPER_LABELS = {
    "route": "pattern of the path, such as `/asr`; `unmatched` for unknown paths",
    "outcome": "`ok`, an [error code](whisper-errors.md), or `cancelled` (client disconnected)",
    "reason": (
        "that in [`coverage`](http-api.md): of doubtful stretches "
        f"{', '.join(f'`{doubt}`' for doubt in Doubt)}; of skipped audio `damaged`, `no_data` or `truncated`"
    ),
    "model": "`WHISPER_MODEL_NAME`, or the last path element of `WHISPER_MODEL`",
}
_OPERATOR_LABELS = {
    "result": "`ok`, `rejected` (the API server rejected a write; it is retried) or `error` (see `errors_total`)",
    "code": "[error code](operator-errors.md)",
    "kind": "kind of the object, as in manifests",
    "verb": "for writes `apply`, `create`, `delete`, or the patch type `merge`, `strategic`; for requests as in RBAC",
    "why": "`missing`, `changed`, `scaled`, `resumed` (a rollout that Kubernetes has stopped), "
    "`cost` (of a pod's deletion), `models` (a bridge reads a new list), `orphaned`, `pruned`, `status` or `event`",
    "resource": "as in `kubectl auth can-i`, such as `deployments.apps`",
    "status": "of requests the HTTP status, `none` without a response; of conditions `True`, `False` or `Unknown`",
    "namespace": "namespace of a pipeline",
    "pipeline": "name of a pipeline",
    "type": "[type of a condition](conditions.md)",
    "reason": "[reason of a condition](conditions.md)",
    "component": "`whisper`, `ollama` or `bridge`",
    "model": "as in `spec.ollama.models` and `spec.whisper.model`",
    "direction": "`up` or `down`",
    "mode": "`spec.scaling.mode` when it was decided: `Auto`, `Advisory` or `Off`",
    "changed": "`false` if the state was already known, such as after the operator's own writes; otherwise `true`",
    "outcome": "`ok` or `failed`",
}


def bridge_page() -> str:
    """Return the page of all metrics of the bridge."""
    return _page("bridge", definitions.of_bridge(), _BRIDGE_LABELS, formats=_OPEN_METRICS)


def whisper_page() -> str:
    """Return the page of all metrics of the Whisper server."""
    return _page("Whisper server", definitions.of_whisper(), _WHISPER_LABELS, formats=_OPEN_METRICS)


def operator_page() -> str:
    """Return the page of all metrics of the operator."""
    pipelines = ("## Metrics of pipelines\n", _ABOUT_PIPELINES, _table(definitions.of_pipelines()))
    return _page("operator", definitions.of_operator(), _OPERATOR_LABELS, *pipelines)


def _page(
    program: str,
    metrics: Iterable[Definition],
    labels: dict[str, str],
    *parts: str,
    formats: str = "in the Prometheus text format",
) -> str:
    return page(
        f"Metrics of the {program}",
        f"At `/metrics`, {formats}. Histograms have `_bucket`, `_sum` and `_count` series.\n"
        "The Python client adds its `process_*` metrics and `python_info`.",
        _table(metrics),
        *parts,
        "## Labels\n",
        table(("Label", "Values"), [(f"`{label}`", text) for label, text in labels.items()]),
    )


def _table(metrics: Iterable[Definition]) -> str:
    rows = [
        (f"`{one.name}`", one.type, ", ".join(f"`{label}`" for label in one.labels), _unit(one.name), one.text)
        for one in metrics
    ]
    return table(("Name", "Type", "Labels", "Unit", "Description"), rows)


def _unit(name: str) -> str:
    if "seconds" in name.split("_"):
        return "seconds"
    return "bytes" if "bytes" in name.split("_") else "ratio" if name.endswith("_factor") else "count"
