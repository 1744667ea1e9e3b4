"""The dashboard *Service*, for those whose applications call a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.panels import Query, Row, frame, number, time_series
from dashboards.queries import OUTCOMES, ROUTES, increase, of_pipeline, quantile, quantile_of, rate, ratio

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

_ANSWERED = of_pipeline("speechbridge_requests_total", ROUTES, 'outcome="ok"')
_COUNTED = of_pipeline("speechbridge_requests_total", ROUTES, OUTCOMES)
_FIRST_SEGMENT = of_pipeline("speechbridge_time_to_first_segment_seconds_bucket")
_FIRST_TOKEN = of_pipeline("speechbridge_time_to_first_token_seconds_bucket")
_TOKEN = of_pipeline("speechbridge_time_per_output_token_seconds_bucket")
_STAGE = of_pipeline("speechbridge_stage_duration_seconds_bucket", 'outcome="ok"')
_SPEECH = rate(of_pipeline("speechwhisper_speech_seconds_total"))
_AUDIO = rate(of_pipeline("speechwhisper_audio_seconds_total"))


def dashboard() -> Dashboard:
    """Return the dashboard."""
    rows = (_AT_A_GLANCE, _REQUESTS, _LATENCY, _WAITING, _COVERAGE)
    return frame("speechpipeline-service", "Speech pipelines / Service", "What applications get from a pipeline.", rows)


_AT_A_GLANCE = Row(
    "At a glance",
    (
        number(
            "Success",
            "Share of the requests that were answered completely; requests that are invalid or that the client gave "
            "up do not count. If it falls below your objective, look at the outcomes below: overloaded means too few "
            "replicas, failed and deadline mean faults, whose kinds the panel of failed calls has.",
            "percentunit",
            Query(ratio(increase(_ANSWERED), increase(_COUNTED))),
        ),
        number(
            "Requests",
            "Requests to the API in the chosen time. If it is zero although clients send requests, check the Ingress "
            "and DNS: `kubectl describe speechpipeline` says whether the pipeline is exposed.",
            "short",
            Query(increase(of_pipeline("speechbridge_requests_total", ROUTES))),
            decimals=0,
        ),
        number(
            "Audio transcribed",
            "Duration of the audio that was transcribed in the chosen time. If it is far below what clients send, "
            "look at the coverage of the transcripts below, and at the outcomes of requests.",
            "s",
            Query(increase(of_pipeline("speechbridge_audio_seconds_total"))),
            decimals=1,
        ),
        number(
            "First segment, p95",
            "Time to the first transcribed words that 95 % of the requests do not exceed. If it is high, see which "
            "stage takes the time: waiting needs more Whisper replicas, transcribing a faster model or GPU.",
            "s",
            Query(quantile_of(0.95, increase(_FIRST_SEGMENT, "le"))),
        ),
    ),
)
_REQUESTS = Row(
    "Requests",
    (
        time_series(
            "Requests by outcome",
            "Requests per second. If there are many rejected ones, a client sends what is invalid: the log of the "
            "bridge has the code of each. If there are overloaded ones, raise maxReplicas or maxConcurrentRequests.",
            "reqps",
            Query(rate(of_pipeline("speechbridge_requests_total", ROUTES), "outcome"), "{{outcome}}"),
            stacked=True,
        ),
        time_series(
            "Success",
            "Share of the requests that were answered completely, without invalid ones and those that clients gave "
            "up. If it falls, compare the time with the scaling decisions and the restarts in the dashboard Capacity.",
            "percentunit",
            Query(ratio(rate(_ANSWERED), rate(_COUNTED)), "success"),
        ),
        time_series(
            "Failed calls to pods by kind",
            "Failed calls to pods of Whisper and of the language model per second, including those that were repeated "
            "with success. If there are connect or died, look for restarting pods; busy means too few replicas; "
            "model_missing means a pod without its models.",
            "reqps",
            Query(
                rate(of_pipeline("speechbridge_upstream_failures_total"), "upstream", "kind"), "{{upstream}}: {{kind}}"
            ),
        ),
    ),
)
_LATENCY = Row(
    "Latency",
    (
        time_series(
            "Time to first segment",
            "From the start of a request to its first transcribed words. If it grows with the requests, Whisper needs "
            "more replicas; if it is always high, a smaller model or a GPU.",
            "s",
            Query(quantile(0.5, _FIRST_SEGMENT), "p50"),
            Query(quantile(0.95, _FIRST_SEGMENT), "p95"),
            Query(quantile(0.99, _FIRST_SEGMENT), "p99"),
        ),
        time_series(
            "Time to first token, p95",
            "From the start of a request to the first token of the answer, the transcription included. If it is high "
            "and the first segment is not, the language model waits or loads: see whether its models are in GPU "
            "memory.",
            "s",
            Query(quantile(0.95, _FIRST_TOKEN, "model"), "{{model}}"),
        ),
        time_series(
            "Time per output token",
            "Time for each token of an answer after the first one. If it grows under load, lower ollama.parallel or "
            "add replicas; if it is always high, a part of the model may be on the CPU: see the dashboard Capacity.",
            "s",
            Query(quantile(0.5, _TOKEN, "model"), "{{model}} p50"),
            Query(quantile(0.95, _TOKEN, "model"), "{{model}} p95"),
        ),
        time_series(
            "Duration of the stages, p95",
            "How long requests wait (queue), are transcribed and are answered (generate), for stages that succeeded. "
            "If one of them dominates, that component limits the latency.",
            "s",
            Query(quantile(0.95, _STAGE, "stage"), "{{stage}}"),
        ),
        time_series(
            "Duration of requests, p95",
            "From the headers of a request to the last byte of its response. If one route is slow and others are not, "
            "look at how long its recordings are, and at slow uploads.",
            "s",
            Query(
                quantile(0.95, of_pipeline("speechbridge_request_duration_seconds_bucket", ROUTES), "route"),
                "{{route}}",
            ),
        ),
        time_series(
            "Language model without the rest, p95",
            "Requests to the pods of the language model by themselves (OpenTelemetry's GenAI metrics). If only these "
            "are slow, scale Ollama, not Whisper.",
            "s",
            Query(quantile(0.95, of_pipeline("gen_ai_server_request_duration_seconds_bucket")), "request"),
            Query(quantile(0.95, of_pipeline("gen_ai_server_time_to_first_token_seconds_bucket")), "first token"),
        ),
    ),
)
_WAITING = Row(
    "Waiting",
    (
        time_series(
            "Requests in stages",
            "Requests that wait, are transcribed or answered. If most of them wait for long, the component named by "
            "the bottleneck needs replicas.",
            "short",
            Query(f"sum by (stage) ({of_pipeline('speechbridge_requests_in_flight')})", "{{stage}}"),
            Query(f"sum by (stage) ({of_pipeline('speechbridge_requests_held')})", "held for {{stage}}"),
            Query(f"sum by (queue) ({of_pipeline('speechbridge_queue_depth')})", "waiting for {{queue}}"),
        ),
        time_series(
            "Longest wait",
            "How long the first request that is not in work has waited. If it approaches QUEUE_TIMEOUT, requests will "
            "be rejected with 503: raise maxReplicas, or look for pods that do not start.",
            "s",
            Query(f"max by (stage) ({of_pipeline('speechbridge_oldest_wait_seconds')})", "{{stage}}"),
            Query(f"max({of_pipeline('speechwhisper_oldest_wait_seconds')})", "in Whisper pods"),
        ),
        time_series(
            "Bottleneck",
            "1 while a component limits the pipeline: its load needs more than its ready replicas. If it stays at 1, "
            "raise the component's maxReplicas or the GPU budget.",
            "bool",
            Query(f"max by (component) ({of_pipeline('speechoperator_pipeline_bottleneck')})", "{{component}}"),
        ),
        time_series(
            "Held requests, p95",
            "How long requests waited for a component without any reachable pod, such as one that is scaled to zero. "
            "If it is longer than clients wait, set minReplicas to 1.",
            "s",
            Query(quantile(0.95, of_pipeline("speechbridge_hold_duration_seconds_bucket"), "stage"), "{{stage}}"),
            width=12,
        ),
        time_series(
            "Uploads",
            "Requests whose audio is still arriving, and connections of clients. If uploads stay for long, clients "
            "send slowly: those below UPLOAD_MIN_RATE are rejected.",
            "short",
            Query(f"sum({of_pipeline('speechbridge_uploads_in_flight')})", "uploads"),
            Query(f"sum({of_pipeline('speechbridge_client_connections')})", "connections"),
            width=12,
        ),
    ),
)
_COVERAGE = Row(
    "Audio and coverage",
    (
        time_series(
            "Audio and speech",
            "Seconds of audio received, of speech found in it and of audio that the model decoded, per second. If "
            "there is much audio and hardly any speech, clients send silence or music.",
            "short",
            Query(_AUDIO, "audio"),
            Query(_SPEECH, "speech"),
            Query(rate(of_pipeline("speechwhisper_transcribed_seconds_total")), "decoded"),
        ),
        time_series(
            "Doubtful transcripts",
            "Share of the speech whose transcript may be wrong or lacks words, by reason. If it rises, listen to a "
            "recording that the responses mark as doubtful: noise, another language than expected, or a model that is "
            "too small.",
            "percentunit",
            Query(
                f"{rate(of_pipeline('speechwhisper_doubtful_seconds_total'), 'reason')}"
                f" / on () group_left () ({_SPEECH} > 0)",
                "{{reason}}",
            ),
        ),
        time_series(
            "Missing audio",
            "Share of the audio that files should have but do not contain, by reason. If it is truncated, uploads are "
            "cut off; if damaged, recordings are broken at their source.",
            "percentunit",
            Query(
                f"{rate(of_pipeline('speechwhisper_skipped_seconds_total'), 'reason')}"
                f" / on () group_left () ({_AUDIO} > 0)",
                "{{reason}}",
            ),
        ),
    ),
)
