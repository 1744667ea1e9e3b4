"""The conditions by which kstatus judges an object: Flux and Helm wait by it."""

from typing import Any

import pytest
from hypothesis import given, settings

from cluster.pipelines import of_ollama, pipeline
from fakes.pipeline_specs import SPECS
from fakes.planned_cluster import PlannedCluster, converged
from speechoperator.plan import Plan
from speechoperator.plan.events import events
from speechoperator.plan.snapshot import Health

pytestmark = pytest.mark.unit


def kstatus(status: dict[str, Any], generation: int) -> str:
    """What kstatus makes of an object: its rules for custom resources."""
    found = {one["type"]: one["status"] for one in status["conditions"]}
    if status.get("observedGeneration") != generation or found.get("Reconciling") == "True":
        return "InProgress"
    if found.get("Stalled") == "True":
        return "Failed"
    return "Current" if found.get("Ready", "True") == "True" else "InProgress"


def of(found: PlannedCluster, plan: Plan) -> str:
    return kstatus(plan.status, found.raw["metadata"]["generation"])


def unschedulable(found: PlannedCluster) -> PlannedCluster:
    for pod in found.pods_of("whisper"):
        message = "0/1 nodes are available: 1 Insufficient cpu."
        pod["status"] = {"conditions": [{"type": "PodScheduled", "status": "False", "message": message}]}
    found.settle()
    return found


def test_a_pipeline_that_serves_is_current() -> None:
    found = converged()

    assert of(found, found.plan()) == "Current"


def test_a_new_pipeline_is_in_progress() -> None:
    found = PlannedCluster(pipeline())

    plan = found.step()

    assert of(found, plan) == "InProgress"
    assert "Reconciling" in {one["type"] for one in plan.status["conditions"]}


def test_a_pipeline_that_cannot_become_ready_has_failed() -> None:
    found = unschedulable(converged())

    plan = found.run()

    assert of(found, plan) == "Failed"
    (stalled,) = [one for one in plan.status["conditions"] if one["type"] == "Stalled"]
    (ready,) = [one for one in plan.status["conditions"] if one["type"] == "Ready"]
    assert (stalled["reason"], stalled["message"]) == (ready["reason"], ready["message"])


@pytest.mark.parametrize("change", [{"suspend": True}, {"bridge": {"replicas": 0}}])
def test_a_pipeline_that_is_stopped_by_its_spec_is_current(change: dict[str, Any]) -> None:
    found = converged(change)

    assert of(found, found.plan()) == "Current"


def test_a_repeated_reason_is_no_second_event() -> None:
    found = converged()
    before = found.raw["status"]

    plan = unschedulable(found).plan()

    assert [event.reason for event in events(before, plan.status)] == ["Unschedulable"]


def test_a_finding_that_only_progressing_has_is_still_an_event() -> None:
    found = converged(of_ollama(cache={"ephemeral": True}, scaling={"minReplicas": 2}))
    before = found.raw["status"]
    for one in found.objects.values():
        if one["metadata"]["name"] == "calls-ollama" and one["kind"] == "Deployment":
            one["status"] |= {"readyReplicas": 1}
            failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: x"}
            one["status"]["conditions"] = [failure]

    assert "QuotaExceeded" in {event.reason for event in events(before, found.plan().status)}


@settings(max_examples=15)
@given(SPECS)
def test_no_pipeline_is_both_and_a_settled_one_is_neither(spec: dict[str, Any]) -> None:
    found = PlannedCluster({"metadata": {"name": "calls"}, "spec": spec})
    found.health = {"whisper": Health(healthy=True), "ollama": Health(healthy=True)}
    found.external_models = {"llama3:latest", "qwen3:4b", "mistral:latest", "registry:5000/library/phi4:latest"}

    for _ in range(4):
        types = {one["type"] for one in found.step().status["conditions"]}
        assert not {"Stalled", "Reconciling"} <= types
        found.settle()

    assert of(found, found.run()) == "Current"
