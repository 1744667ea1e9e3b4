"""The dashboard *Capacity*, for those who pay for GPUs and set the limits of pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.panels import Query, Row, annotation, frame, number, time_series
from dashboards.queries import increase, mean, of_pipeline, quantile, rate, ratio

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

_DESIRED = of_pipeline("speechoperator_pipeline_replicas_desired")
_READY = of_pipeline("speechoperator_pipeline_replicas_ready")
_GPUS = of_pipeline("speechoperator_pipeline_gpus_requested")
_DECISIONS = of_pipeline("speechoperator_pipeline_scaling_decisions_total")
_DECIDED_WITHIN = "2m"
"""Grafana asks for marks every 60 s however long the chosen time is; two scrapes are needed to see an increase."""


def dashboard() -> Dashboard:
    """Return the dashboard."""
    description = "Whether pipelines have the replicas and GPUs that their work needs, and use them."
    rows = (_NOW, _SCALE, _WHISPER, _MODELS)
    built = frame("speechpipeline-capacity", "Speech pipelines / Capacity", description, rows)
    decided = increase(_DECISIONS, "namespace", "pipeline", "component", "direction", over=_DECIDED_WITHIN)
    return built.annotation(annotation("Scaling decisions", f"{decided} > 0", "blue"))


_NOW = Row(
    "Now",
    (
        number(
            "Backlog",
            "Duration of the audio that waits for a Whisper pod. If it stays above targetBacklog, Whisper cannot "
            "scale further: raise maxReplicas or the GPU budget, or look for pods that are Pending.",
            "s",
            Query(f"sum({of_pipeline('speechoperator_pipeline_backlog_seconds')})"),
            decimals=0,
        ),
        number(
            "Replicas missing",
            "Desired replicas that are not ready. If it stays above zero, `kubectl describe speechpipeline` says why: "
            "no node with a free GPU, a model that is still being downloaded, or a pod that fails.",
            "short",
            Query(f"sum(clamp_min({_DESIRED} - {_READY}, 0))"),
            decimals=0,
        ),
        number(
            "GPUs requested",
            "GPUs of the desired replicas. If it is at the GPU budget while there is a backlog, the budget limits the "
            "pipeline.",
            "short",
            Query(f"sum({_GPUS})"),
            decimals=0,
        ),
        number(
            "Whisper's slots in use",
            "Share of the requests that Whisper pods could work on at the same time. If it is near 100 % with a "
            "backlog, add replicas; if it stays low, lower minReplicas.",
            "percentunit",
            Query(
                ratio(f"sum({of_pipeline('speechwhisper_slots_busy')})", f"sum({of_pipeline('speechwhisper_slots')})")
            ),
        ),
    ),
)
_SCALE = Row(
    "Demand and replicas",
    (
        time_series(
            "Audio that waits",
            "Audio without a Whisper pod, as the operator sees it (rounded up), in the bridges and in the pods' "
            "queues. If it grows although replicas are ready, requests arrive faster than they are decoded.",
            "s",
            Query(f"sum by (pipeline) ({of_pipeline('speechoperator_pipeline_backlog_seconds')})", "{{pipeline}}"),
            Query(f"sum({of_pipeline('speechbridge_audio_waiting_seconds')})", "in bridges"),
            Query(f"sum({of_pipeline('speechwhisper_audio_waiting_seconds')})", "in Whisper pods"),
        ),
        time_series(
            "Replicas",
            "Desired and ready replicas by component. If ready stays below desired, pods do not start: the condition "
            "of the component names the reason.",
            "short",
            Query(f"sum by (component) ({_DESIRED})", "{{component}} desired"),
            Query(f"sum by (component) ({_READY})", "{{component}} ready"),
        ),
        time_series(
            "GPUs",
            "GPUs that the components of each pipeline request, and its GPU budget. If their sum is at the "
            "budget, one component grows only after the other has shrunk.",
            "short",
            Query(f"sum by (pipeline, component) ({_GPUS})", "{{pipeline}}: {{component}}"),
            Query(f"sum by (pipeline) ({of_pipeline('speechoperator_pipeline_gpu_budget')})", "{{pipeline}}: budget"),
        ),
        time_series(
            "Scaling decisions",
            "Decisions of the scaler; those of the mode Advisory are not carried out. If replicas go up and down in "
            "turns, lengthen stabilizationWindowSeconds of scaling down.",
            "short",
            Query(
                increase(_DECISIONS, "component", "direction", "mode", over="$__rate_interval"),
                "{{component}} {{direction}} ({{mode}})",
            ),
            width=12,
        ),
        time_series(
            "Work in Whisper pods",
            "Slots in use and in all. If all are in use, further requests wait in the pods' queues.",
            "short",
            Query(f"sum({of_pipeline('speechwhisper_slots_busy')})", "in use"),
            Query(f"sum({of_pipeline('speechwhisper_slots')})", "slots"),
            Query(f"sum({of_pipeline('speechwhisper_requests_waiting')})", "waiting"),
            width=12,
        ),
    ),
)
_WHISPER = Row(
    "Whisper",
    (
        time_series(
            "Batch fill",
            "Mean number of blocks in a batch, of the most that fit. If it is low while audio waits, requests are too "
            "few per pod to fill batches: prefer fewer, larger GPUs. If it is near 100 %, more replicas add "
            "throughput.",
            "percentunit",
            Query(
                ratio(mean("speechwhisper_batch_blocks"), f"avg({of_pipeline('speechwhisper_batch_blocks_max')})"),
                "fill",
            ),
        ),
        time_series(
            "Encoder window, mean",
            "Seconds of audio that the encoder computes for each block, 30 at most. If it is 30 for short recordings, "
            "WHISPER_SEARCH is accurate: fast fits the window to the speech.",
            "s",
            Query(mean("speechwhisper_batch_window_seconds"), "window"),
        ),
        time_series(
            "Wait for the model",
            "How long the first block of a batch waited, and how long the model took for the batch. If the wait "
            "exceeds the duration, the device is saturated: add replicas.",
            "s",
            Query(quantile(0.95, of_pipeline("speechwhisper_batch_wait_seconds_bucket")), "wait p95"),
            Query(quantile(0.95, of_pipeline("speechwhisper_batch_duration_seconds_bucket")), "duration p95"),
        ),
        time_series(
            "Real-time factor",
            "Seconds of processing per second of audio; below 1 is faster than speech. If it rises, the device is "
            "shared, throttled, or busy with a larger model.",
            "none",
            Query(f"avg({of_pipeline('speechwhisper_realtime_factor')})", "Whisper pods"),
            Query(f"avg({of_pipeline('speechbridge_realtime_factor')})", "as bridges see it"),
        ),
        time_series(
            "Audio decoded",
            "Seconds of audio that all Whisper pods transcribe in a second. If it no longer grows with the backlog, "
            "this is the most that the present replicas can do.",
            "short",
            Query(rate(of_pipeline("speechwhisper_audio_seconds_total"), "pipeline"), "{{pipeline}}"),
        ),
        time_series(
            "Requests by outcome",
            "Requests to Whisper pods. If busy appears, their queues are full: raise maxReplicas; WHISPER_QUEUE only "
            "makes requests wait longer.",
            "reqps",
            Query(rate(of_pipeline("speechwhisper_requests_total", 'route=~"/asr|/v1/.+"'), "outcome"), "{{outcome}}"),
            stacked=True,
        ),
    ),
)
_MODELS = Row(
    "Language models",
    (
        time_series(
            "Downloads",
            "Share of each model that is downloaded, while it is downloaded. If a line stays flat, see the message of "
            "the model in the status of the pipeline: the registry, the disk or the network policy.",
            "percentunit",
            Query(
                ratio(
                    of_pipeline("speechoperator_pipeline_model_completed_bytes"),
                    of_pipeline("speechoperator_pipeline_model_total_bytes"),
                ),
                "{{pipeline}}: {{model}}",
            ),
        ),
        time_series(
            "Pods with the model",
            "Ollama pods that have each model. If there are fewer than replicas, those pods get no requests until "
            "they have it.",
            "short",
            Query(
                f"sum by (pipeline, model) ({of_pipeline('speechoperator_pipeline_model_replicas_ready')})",
                "{{pipeline}}: {{model}}",
            ),
        ),
        time_series(
            "Model on GPUs",
            "Share of each loaded model that is in GPU memory. If it is below 100 % on a GPU, answers are many times "
            "slower: use a smaller model or context, or a larger GPU. It is 0 where Ollama runs on CPUs.",
            "percentunit",
            Query(
                ratio(
                    of_pipeline("speechoperator_pipeline_model_gpu_bytes"),
                    of_pipeline("speechoperator_pipeline_model_memory_bytes"),
                ),
                "{{pipeline}}: {{model}}",
            ),
        ),
        time_series(
            "Tokens",
            "Tokens that language models read (prompt) and write (completion) per second. If prompt tokens dominate, "
            "long transcripts or prompts take the time.",
            "short",
            Query(rate(of_pipeline("speechbridge_tokens_total"), "kind", "model"), "{{model}} {{kind}}"),
            width=12,
        ),
        time_series(
            "Pods that bridges see",
            "Pods that each bridge can send requests to. If bridges see fewer than are ready, DNS is stale or a "
            "network policy blocks them.",
            "short",
            Query(
                f"min by (pipeline, upstream) ({of_pipeline('speechbridge_upstream_pods')})",
                "{{pipeline}}: {{upstream}}",
            ),
            width=12,
        ),
    ),
)
