"""The description of `/health`, `/livez`, `/readyz` and `/metrics`."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST

from speechbridge.api.openapi.parts import Json, answer, json_content, record, ref, text

TAGS: list[Json] = [{"name": "Health", "description": "For kubelet, for Prometheus, for clients of the older bridge."}]

_OK = {"text/plain": {"schema": {"type": "string", "const": "OK"}, "example": "OK"}}
_READY = {
    "status": "ready",
    "parts": {
        "whisper": {"ready": True, "detail": "Whisper answers"},
        "llm": {"ready": True, "detail": "llama3 is there"},
    },
}
_NOT_READY = {
    "status": "not ready",
    "parts": {
        "whisper": {"ready": True, "detail": "Whisper answers"},
        "llm": {"ready": False, "detail": "the model llama3 is not there yet"},
    },
}
_STOPPING = {"status": "stopping", "parts": {}}


def _alive(path: str, summary: str) -> Json:
    return {
        "get": {
            "operationId": path,
            "tags": ["Health"],
            "summary": summary,
            "description": "Answers as long as the process serves requests, whatever its upstreams do.",
            "responses": {"200": answer("It is alive.", _OK)},
        }
    }


PATHS: Json = {
    "/health": _alive("health", "Is it alive? (older name)"),
    "/livez": _alive("livez", "Is it alive?"),
    "/readyz": {
        "get": {
            "operationId": "readyz",
            "tags": ["Health"],
            "summary": "Would a request be answered?",
            "description": (
                "Asks Whisper and the language model, at most once a second however often it is asked itself. On "
                "SIGTERM it turns to 503 at once, while requests in flight are finished."
            ),
            "responses": {
                "200": answer("All that a request needs is there.", json_content(ref("Readiness"), ready=_READY)),
                "503": answer(
                    "A part is not there, or this replica is about to stop.",
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
                "200": answer(
                    "Prometheus' text format.",
                    {CONTENT_TYPE_LATEST: {"schema": text("One line per series.")}},
                )
            },
        }
    },
}
SCHEMAS: Json = {
    "Readiness": record(
        "The state of the service.",
        status=text("In one word.", enum=["ready", "not ready", "stopping"]),
        parts={
            "type": "object",
            "description": "What a request needs: `whisper` and `llm`; empty once this replica is about to stop.",
            "additionalProperties": ref("Part"),
        },
    ),
    "Part": record(
        "The state of a part.",
        ready={"type": "boolean", "description": "Whether at least one of its pods can work."},
        detail=text("One sentence for a person."),
    ),
}
