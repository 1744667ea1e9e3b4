"""A pipeline as the API server has it while it starts."""

from typing import Any

PULLING = {
    "name": "smollm2:135m",
    "stage": "Pulling",
    "completedBytes": 49_000_000,
    "totalBytes": 98_000_000,
    "etaSeconds": 3,
}
WAITING = {"type": "OllamaAvailable", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: no GPU"}


def pipeline(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "speech", "generation": 2}, "status": {"observedGeneration": 2, **status}}
