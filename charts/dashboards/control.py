"""The dashboard *Operator*, for those who run the operator itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.panels import Query, Row, frame, number, time_series
from dashboards.queries import WINDOW, of_pipeline, quantile, rate

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

_CONDITION = "speechoperator_pipeline_condition"
_OPERATORS_PODS = "and on (namespace, pod) speechoperator_leader"
"""The Python client's own metrics have the same names in all programs."""


def dashboard() -> Dashboard:
    """Return the dashboard."""
    description = "Whether the operator keeps up with the pipelines, and what it does."
    rows = (_PIPELINES, _RECONCILES, _API_SERVER, _MODELS, _PROCESS)
    return frame("speechpipeline-operator", "Speech pipelines / Operator", description, rows)


_PIPELINES = Row(
    "Pipelines",
    (
        number(
            "Pipelines",
            "Pipelines that exist. If it is zero on the leader although there are some, check operator.class and "
            "watchNamespaces.",
            "short",
            Query("max(speechoperator_pipelines)"),
            decimals=0,
        ),
        number(
            "Not ready",
            "Pipelines whose condition Ready is not True. If there are any, the panel below shows which conditions "
            "are False, and `kubectl describe speechpipeline` why.",
            "short",
            Query(f"""count({of_pipeline(_CONDITION, 'type="Ready"', 'status="True"')} == 0) or vector(0)"""),
            decimals=0,
        ),
        number(
            "Leaders",
            "Replicas of the operator that lead; exactly 1. If it is 0 for more than a minute, no replica can write "
            "the Lease: read the operator's log. Pipelines keep serving meanwhile.",
            "short",
            Query("sum(speechoperator_leader)"),
            decimals=0,
        ),
        number(
            "Errors",
            "Failures of the last hour. If there are any, the panel of errors names their codes, which the reference "
            "of the operator's errors explains.",
            "short",
            Query("sum(increase(speechoperator_errors_total[1h])) or vector(0)"),
            decimals=0,
        ),
        time_series(
            "Conditions that are False",
            "Pipelines by condition that is False. If one stays, its message in the status of the pipeline has the "
            "advice. Progressing is False for pipelines that are up to date.",
            "short",
            Query(
                f"""sum by (type) ({of_pipeline(_CONDITION, 'status="False"', 'type!="Progressing"')})""", "{{type}}"
            ),
            width=24,
        ),
    ),
)
_RECONCILES = Row(
    "Reconciles",
    (
        time_series(
            "Reconciles by result",
            "Reconciles per second. If error or rejected stays, the panel of errors has the codes. A high rate "
            "without changes means that something else writes the same objects.",
            "ops",
            Query(rate("speechoperator_reconciles_total", "result"), "{{result}}"),
            stacked=True,
        ),
        time_series(
            "Duration",
            "How long reconciles take, and how much of it is CPU time, which blocks all others. If the CPU time "
            "exceeds 100 ms, raise the CPU of the operator.",
            "s",
            Query(quantile(0.95, "speechoperator_reconcile_duration_seconds_bucket"), "duration p95"),
            Query(quantile(0.95, "speechoperator_reconcile_cpu_seconds_bucket"), "CPU p95"),
        ),
        time_series(
            "Errors by code",
            "Failures per second. If a code stays, look it up in the reference of the operator's errors.",
            "ops",
            Query(rate("speechoperator_errors_total", "code"), "{{code}}"),
        ),
        time_series(
            "Waiting pipelines",
            "Pipelines that wait for a worker. If it does not return to zero, raise operator.workers.",
            "short",
            Query("sum(speechoperator_workqueue_depth)", "waiting"),
        ),
        time_series(
            "Wait for a worker, p95",
            "How long a pipeline waits until it is reconciled. If it is more than a second, raise operator.workers or "
            "its CPU.",
            "s",
            Query(quantile(0.95, "speechoperator_workqueue_queue_duration_seconds_bucket"), "wait p95"),
        ),
        time_series(
            "Retries",
            "Reconciles that were delayed because the previous one failed, per second. If it stays above zero, see "
            "the errors.",
            "ops",
            Query(rate("speechoperator_workqueue_retries_total"), "retries"),
        ),
    ),
)
_API_SERVER = Row(
    "API server",
    (
        time_series(
            "Requests by status",
            "Requests to the API server per second. If there are 403s, RBAC is older than the operator; 429s mean "
            "that the API server is overloaded; none means that it did not respond.",
            "reqps",
            Query(rate("speechoperator_api_requests_total", "status"), "{{status}}"),
            stacked=True,
        ),
        time_series(
            "Requests that wait",
            "Requests that KUBE_API_QPS delays. If more than a few wait for long, raise it in operator.env.",
            "short",
            Query("sum(speechoperator_api_requests_waiting)", "waiting"),
        ),
        time_series(
            "Writes by cause",
            "Writes per second and why. If changed does not end, another controller changes the same fields: the log "
            "names the field.",
            "ops",
            Query(rate("speechoperator_writes_total", "why"), "{{why}}"),
            stacked=True,
        ),
        time_series(
            "Watch events",
            "Events of watched objects per second; changed is false for the operator's own writes. If there are "
            "hundreds, narrow watchNamespaces.",
            "ops",
            Query(rate("speechoperator_watch_events_total", "changed"), "changed: {{changed}}"),
        ),
        time_series(
            "Broken watches",
            "Restarts of watches per hour, and kinds that could not be listed. If kinds stay unreadable, RBAC or a "
            "webhook denies them: the log names the kind.",
            "short",
            Query("sum(increase(speechoperator_watch_restarts_total[1h]))", "restarts"),
            Query("max(speechoperator_unreadable_kinds)", "unreadable kinds"),
        ),
        time_series(
            "Followed pods",
            "Bridges and Whisper pods whose load the leader follows. If it is at MAX_LOAD_STREAMS, further ones are "
            "not scaled by their load: raise it.",
            "short",
            Query("max(speechoperator_load_streams)", "streams"),
        ),
    ),
)
_MODELS = Row(
    "Models",
    (
        time_series(
            "Downloads in progress",
            "Model downloads that run. If it stays at operator.maxPulls, others wait: raise it if the network allows.",
            "short",
            Query("sum(speechoperator_pulls_running)", "running"),
        ),
        time_series(
            "Download rate",
            "Bytes of models downloaded per second. If it is zero while downloads run, the registry or the network "
            "stalls.",
            "Bps",
            Query(rate("speechoperator_pull_bytes_total"), "downloaded"),
        ),
        time_series(
            "Downloads and loads by outcome",
            "Downloads that ended, and loads of models into memory, per hour. If some failed, the message of the "
            "model in the status of the pipeline says why.",
            "short",
            Query("sum by (outcome) (increase(speechoperator_pulls_total[1h]))", "download {{outcome}}"),
            Query("sum by (outcome) (increase(speechoperator_warm_ups_total[1h]))", "load {{outcome}}"),
        ),
    ),
)
_PROCESS = Row(
    "Process",
    (
        time_series(
            "CPU",
            "Cores that each replica of the operator uses. If the leader is at one core, it cannot keep up: fewer "
            "pipelines per operator, with operator.class.",
            "short",
            Query(f"rate(process_cpu_seconds_total[{WINDOW}]) {_OPERATORS_PODS}", "{{pod}}"),
            width=12,
        ),
        time_series(
            "Memory",
            "Resident memory of each replica of the operator. If it approaches operator.resources.limits.memory, "
            "raise the limit.",
            "bytes",
            Query(f"process_resident_memory_bytes {_OPERATORS_PODS}", "{{pod}}"),
            width=12,
        ),
    ),
)
