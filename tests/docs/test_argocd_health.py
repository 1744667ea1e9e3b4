"""The health check for Argo CD, run by the Lua that Argo CD's own is compatible with (5.1)."""

from typing import Any

import pytest
from lupa import lua51

from cluster.pipelines import of_bridge, pipeline
from fakes.planned_cluster import PlannedCluster, converged
from repository import ROOT
from speechoperator.plan import rejected

pytestmark = pytest.mark.unit

SCRIPT = (ROOT / "docs" / "how-to" / "argocd-health.lua").read_text(encoding="utf-8")


def health(raw: dict[str, Any]) -> tuple[str, str]:
    """Status and message that the script gives an object."""
    lua = lua51.LuaRuntime()
    lua.globals().obj = lua.table_from(raw, recursive=True)
    found = lua.execute(SCRIPT)
    return found.status, found.message


def test_a_pipeline_without_a_status_is_progressing() -> None:
    assert health(PlannedCluster(pipeline()).raw)[0] == "Progressing"


def test_a_pipeline_that_starts_is_progressing() -> None:
    found = PlannedCluster(pipeline())
    found.step()

    assert health(found.raw)[0] == "Progressing"


def test_a_pipeline_that_serves_is_healthy() -> None:
    assert health(converged().raw) == ("Healthy", "serving at http://calls-bridge.team.svc:8080")


def test_a_pipeline_without_replicas_of_the_bridge_is_healthy() -> None:
    assert health(converged(of_bridge(replicas=0)).raw) == ("Healthy", "bridge: bridge.replicas is 0")


def test_a_suspended_pipeline_is_suspended() -> None:
    assert health(converged({"suspend": True}).raw)[0] == "Suspended"


def test_a_new_generation_is_progressing_until_the_operator_has_seen_it() -> None:
    found = converged()
    found.edit(pipeline({"suspend": True})["spec"])

    assert health(found.raw)[0] == "Progressing"


def test_a_pipeline_that_cannot_start_is_degraded_and_says_why() -> None:
    found = converged()
    for pod in found.pods_of("whisper"):
        message = "0/1 nodes are available: 1 Insufficient cpu."
        pod["status"] = {"conditions": [{"type": "PodScheduled", "status": "False", "message": message}]}
    found.settle()
    found.run()

    status, message = health(found.raw)

    assert status == "Degraded"
    assert "1 Insufficient cpu" in message


def test_a_spec_that_was_rejected_is_degraded() -> None:
    found = converged()
    found.edit({})
    found.raw["status"] = rejected(found.raw, "spec.ollama: is required", found.now).status

    assert health(found.raw) == ("Degraded", "spec.ollama: is required")
