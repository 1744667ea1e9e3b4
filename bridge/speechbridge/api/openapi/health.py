"""OpenAPI: `/health`, `/livez`, `/readyz`, `/load` and `/metrics`."""

from __future__ import annotations

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPEN_METRICS

from speechbridge.api.openapi.problems import errors
from speechbridge.api.openapi.schemas import (
    Json,
    event_stream,
    integer,
    json_content,
    number,
    record,
    ref,
    response,
    text,
    unnamed_event,
)

TAGS: list[Json] = [{"name": "Health", "description": "For the kubelet, Prometheus, and clients of the older bridge."}]

_OK = {"text/plain": {"schema": {"type": "string", "const": "OK"}, "example": "OK"}}
_READY = {
    "status": "ready",
    "components": {
        "whisper": {"ready": True, "detail": "Whisper is ready"},
        "llm": {"ready": True, "detail": "llama3 is available"},
    },
}
_NOT_READY = {
    "status": "not ready",
    "components": {
        "whisper": {"ready": True, "detail": "Whisper is ready"},
        "llm": {"ready": False, "detail": "the model llama3 is not available yet"},
    },
}


def _pods(service: str) -> Json:
    return {
        "type": "object",
        "description": f"How many requests of this replica each pod of {service} has, by the first 12 hexadecimal "
        "digits of the SHA-256 of its IP address; at most 64 pods, those with most requests. The operator removes idle "
        "pods first.",
        "additionalProperties": {"type": "integer", "minimum": 1},
    }


_STOPPING = {"status": "stopping", "components": {}}
_LOAD = {
    "held": 0,
    "waiting": 1,
    "working": 4,
    "audio_seconds_held": 0.0,
    "audio_seconds_waiting": 12.5,
    "audio_seconds_working": 63.2,
    "audio_seconds_per_second": 11.8,
    "oldest_wait_seconds": 0.8,
    "pods": {"6dbaf3ab5586": 3, "95e8c4f49ed8": 2},
    "ollama": {"held": 0, "waiting": 0, "working": 2, "coming": 5, "pods": {"229e68715c53": 2}},
    "models_revision": "3b8e4a51c07d92f6",
}


def _alive(path: str, summary: str) -> Json:
    return {
        "get": {
            "operationId": path,
            "tags": ["Health"],
            "summary": summary,
            "description": "Succeeds while the process serves requests, whatever the state of its upstreams.",
            "responses": {"200": response("The process is alive.", _OK)},
        }
    }


PATHS: Json = {
    "/health": _alive("health", "Liveness (name of the older bridge)"),
    "/livez": _alive("livez", "Liveness"),
    "/readyz": {
        "get": {
            "operationId": "readyz",
            "tags": ["Health"],
            "summary": "Readiness",
            "description": (
                "Probes Whisper and the language model, at most once per second. After SIGTERM it is 503 at once, "
                "while requests in flight finish."
            ),
            "responses": {
                "200": response("Requests can be answered.", json_content(ref("Readiness"), ready=_READY)),
                "503": response(
                    "A component is not ready, or this replica is shutting down.",
                    json_content(ref("Readiness"), not_ready=_NOT_READY, stopping=_STOPPING),
                ),
            },
        }
    },
    "/load": {
        "get": {
            "operationId": "load",
            "tags": ["Health"],
            "summary": "Load of this replica",
            "description": (
                "What the operator scales by. With `Accept: text/event-stream`, an event now and on each change: at "
                "most one per second, but at once when a request is held and none was before. A stopping replica "
                "reports its load until its last request is answered."
            ),
            "responses": {
                "200": response(
                    "The requests of this replica.",
                    {
                        **json_content(ref("Load"), busy=_LOAD),
                        **event_stream(
                            "Each event is the JSON object.", {"chunk": ref("Load")}, [unnamed_event(_LOAD)]
                        ),
                    },
                ),
                **errors("problem", "stopping"),
            },
        }
    },
    "/metrics": {
        "get": {
            "operationId": "metrics",
            "tags": ["Health"],
            "summary": "Metrics for Prometheus",
            "description": "Names, labels and units: `docs/reference/metrics.md`.",
            "responses": {
                "200": response(
                    "Prometheus text format, or OpenMetrics, with exemplars, if the client accepts it.",
                    {
                        kind: {"schema": text("One line per series.")}
                        for kind in (CONTENT_TYPE_PLAIN_0_0_4, OPEN_METRICS)
                    },
                )
            },
        }
    },
}
SCHEMAS: Json = {
    "Readiness": record(
        "The state of the service.",
        status=text("The overall state.", enum=["ready", "not ready", "stopping"]),
        components={
            "type": "object",
            "description": "`whisper` and `llm`; empty while this replica is shutting down.",
            "additionalProperties": ref("Component"),
        },
    ),
    "Load": record(
        "The requests of this replica by how far they are, for Whisper except in `ollama`. Each is in one of `held`, "
        "`waiting` and `working`; Whisper pods report those of `waiting` and `working`, too.",
        held=integer(
            "Requests that no Whisper pod has: none can be reached, or none accepts them now. While none can be "
            "reached, also uploads in progress, and for five minutes a request whose client gave up.",
            minimum=0,
        ),
        waiting=integer("Requests in the queue of a Whisper pod.", minimum=0),
        working=integer("Requests that Whisper pods work on.", minimum=0),
        audio_seconds_held=number("Estimated duration of the held recordings in seconds.", minimum=0),
        audio_seconds_waiting=number("Estimated duration of the held and waiting recordings in seconds.", minimum=0),
        audio_seconds_working=number("Estimated duration of the recordings in work in seconds.", minimum=0),
        audio_seconds_per_second=number(
            "Seconds of audio that a Whisper pod transcribes per second, on average: as the pods report it, otherwise"
            " as recent transcripts took; 0 until it is measured.",
            minimum=0,
        ),
        oldest_wait_seconds=number("How long the first held or waiting request has waited, in seconds.", minimum=0),
        pods=_pods("Whisper"),
        ollama=ref("LanguageModelLoad"),
        models_revision=text(
            "Which list of models this replica uses: the first 16 hexadecimal digits of the SHA-256 of `MODELS_FILE`; "
            "empty without that file."
        ),
    ),
    "LanguageModelLoad": record(
        "The requests of this replica for the language model.",
        held=integer("Requests that no pod has, as for Whisper.", minimum=0),
        waiting=integer("Always 0: a pod's own queue is unknown, and counted as in work.", minimum=0),
        working=integer("Requests that pods have.", minimum=0),
        coming=integer(
            "Requests whose recordings arrive or are transcribed first, held ones included. Requests for a transcript "
            "alone never count.",
            minimum=0,
        ),
        pods=_pods("the language model"),
    ),
    "Component": record(
        "The state of a component.",
        ready={"type": "boolean", "description": "Whether at least one of its pods is ready."},
        detail=text("One human-readable sentence."),
    ),
}
