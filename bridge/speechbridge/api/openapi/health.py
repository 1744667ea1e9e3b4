"""OpenAPI: `/health`, `/livez`, `/readyz` and `/metrics`."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST

from speechbridge.api.openapi.schemas import Json, json_content, record, ref, response, text

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
_STOPPING = {"status": "stopping", "components": {}}


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
    "/metrics": {
        "get": {
            "operationId": "metrics",
            "tags": ["Health"],
            "summary": "Metrics for Prometheus",
            "description": "Names, labels and units: `docs/reference/metrics.md`.",
            "responses": {
                "200": response(
                    "Prometheus text format.",
                    {CONTENT_TYPE_LATEST: {"schema": text("One line per series.")}},
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
    "Component": record(
        "The state of a component.",
        ready={"type": "boolean", "description": "Whether at least one of its pods is ready."},
        detail=text("One human-readable sentence."),
    ),
}
