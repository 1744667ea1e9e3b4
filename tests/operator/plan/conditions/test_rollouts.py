"""Rollouts: what they wait for, and what they mean for Ready and Progressing."""

import pytest

from cluster.pipelines import of_bridge, pipeline
from fakes.planned_cluster import WRITTEN_NOON, PlannedCluster, converged, verdict
from fakes.pod_statuses import NO_IMAGE, waiting

pytestmark = pytest.mark.unit


def rolling_out(**changes: int) -> PlannedCluster:
    """A bridge with two old ready pods and one new unready pod."""
    found = converged()
    deployment = found.object("Deployment", "calls-bridge")
    deployment["metadata"]["generation"] += 1
    counts = {"replicas": 3, "updatedReplicas": 1, "readyReplicas": 2, "observedGeneration": 99}
    deployment["status"] = counts | changes
    return found


def test_old_pods_keep_a_component_available() -> None:
    plan = rolling_out().plan()

    assert verdict(plan, "BridgeAvailable")[0] == "True"
    assert verdict(plan, "Ready")[:2] == ("False", "RolloutInProgress")
    assert verdict(plan, "Progressing")[:2] == ("True", "RolloutInProgress")


def test_a_rollout_waits_for_old_replicas_to_terminate() -> None:
    plan = rolling_out(updatedReplicas=2).plan()

    assert verdict(plan, "Progressing")[2] == "bridge: waiting for 1 old replica to terminate"


def test_the_obstacle_of_a_rollout_is_reported_even_if_the_component_is_available() -> None:
    stuck = rolling_out()
    new = stuck.pods_of("bridge")[0]
    stuck.pods.append(
        {**new, "metadata": new["metadata"] | {"name": "new"}, "status": waiting("ErrImagePull", NO_IMAGE)}
    )

    plan = stuck.plan()

    assert verdict(plan, "BridgeAvailable")[0] == "True"
    assert verdict(plan, "Progressing")[:2] == ("False", "ImagePullBackOff")
    assert verdict(plan, "Ready")[:2] == ("False", "ImagePullBackOff")
    assert [event.reason for event in plan.events] == ["ImagePullBackOff"]


def test_counts_of_an_older_spec_are_not_believed() -> None:
    stale = converged(of_bridge(replicas=1))
    stale.object("Deployment", "calls-bridge")["metadata"]["generation"] += 1
    stale.pods_of("bridge")[0]["status"] = waiting("ContainerCreating")

    assert verdict(stale.plan(), "BridgeAvailable")[:2] == ("False", "Starting")


def test_a_new_spec_is_not_ready_before_it_is_applied() -> None:
    edited = converged()
    edited.edit(pipeline(of_bridge(requestTimeout="60s"))["spec"])

    plan = edited.plan()

    assert verdict(plan, "Ready")[:2] == ("False", "RolloutInProgress")
    assert plan.status["observedGeneration"] == 2
    assert verdict(plan, "BridgeAvailable")[0] == "True"


def test_a_new_spec_that_changes_no_pods_is_ready_at_once() -> None:
    edited = converged()
    edited.edit(pipeline(of_bridge(ingress={"host": "a.example"}))["spec"])
    edited.step()

    assert verdict(edited.plan(), "Ready")[0] == "True"


def test_the_terminating_pod_that_a_new_one_waits_for_is_named() -> None:
    replaced = converged()
    pod = replaced.pods_of("whisper")[0]
    pod["metadata"]["deletionTimestamp"] = WRITTEN_NOON
    replaced.object("Deployment", "calls-whisper")["status"] = {"observedGeneration": 9}

    name = pod["metadata"]["name"]
    message = verdict(replaced.plan(), "WhisperAvailable")[2]
    assert message == f"0 of 1 ready; waiting for pod {name} to finish its requests"
