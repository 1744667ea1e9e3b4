"""A rollout in place: the new pod exists while the old one finishes its requests, and waits for its GPU or volume."""

from typing import Any

import pytest

from cluster.pipelines import of_whisper, pipeline
from fakes.planned_cluster import PlannedCluster, serving, verdict
from fakes.pod_statuses import NO_GPU, NO_IMAGE, cluster_with, unscheduled, waiting

pytestmark = pytest.mark.unit

PENDING_S = 3600
END_OF_GRACE = "2026-11-23T13:05:00Z"
"""Of the old pods, which were deleted when the new one had waited for `PENDING_S`."""

ATTACHED = 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) old'
QUOTA = 'pods "calls-whisper-5d8f-abcde" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=1'


def rolling_out(status: dict[str, Any], old_pods: int = 1) -> PlannedCluster:
    """A Whisper whose new pod has this status; it has existed for longer than a node may take."""
    found = cluster_with(status, of_whisper(gpu={}))
    new = found.pods_of("whisper")[0]
    found.pods.extend(
        {
            **new,
            "metadata": new["metadata"] | {"name": f"old-{number}", "deletionTimestamp": END_OF_GRACE},
            "status": serving("whisper"),
        }
        for number in range(old_pods)
    )
    found.later(PENDING_S)
    return found


def test_a_new_pod_waits_for_the_gpu_of_the_old_one() -> None:
    draining = rolling_out(unscheduled(NO_GPU))
    [new, _] = draining.pods_of("whisper")

    plan = draining.plan()

    words = f"0 of 1 ready; pod {new['metadata']['name']} waits for pod old-0 to finish its requests"
    assert verdict(plan, "WhisperAvailable") == ("False", "Starting", words)
    assert verdict(plan, "Progressing")[0] == "True"
    assert "Warning" not in {event.type for event in plan.events}


def test_once_the_old_pod_is_gone_a_missing_gpu_is_a_fault() -> None:
    assert verdict(rolling_out(unscheduled(NO_GPU), old_pods=0).plan(), "WhisperAvailable")[1] == "Unschedulable"


def test_an_old_pod_that_outlives_its_grace_period_is_no_excuse() -> None:
    """The node is down: nobody removes the pod."""
    draining = rolling_out(unscheduled(NO_GPU))
    until = draining.plan().requeue_after

    assert until is not None
    draining.later(until)

    assert verdict(draining.plan(), "WhisperAvailable")[1] == "Unschedulable"


def test_it_is_given_the_time_to_be_removed_after_its_grace_period() -> None:
    draining = rolling_out(unscheduled(NO_GPU))
    draining.later(300)

    assert verdict(draining.plan(), "WhisperAvailable")[1] == "Starting"


def test_a_pod_on_a_node_that_does_not_respond_is_no_excuse() -> None:
    draining = rolling_out(unscheduled(NO_GPU))
    disrupted = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}
    draining.pod("old-0")["status"]["conditions"].append(disrupted)

    assert verdict(draining.plan(), "WhisperAvailable")[1] == "Unschedulable"


def test_a_pod_that_does_not_go_is_named_while_there_is_no_new_one() -> None:
    draining = rolling_out(unscheduled(NO_GPU))
    draining.pods.remove(draining.pods_of("whisper")[0])
    draining.object("Deployment", "calls-whisper")["status"]["readyReplicas"] = 0
    words = verdict(draining.plan(), "WhisperAvailable")[2]
    draining.later(331)

    assert words == "0 of 1 ready; waiting for pod old-0 to finish its requests"
    assert verdict(draining.plan(), "WhisperAvailable")[2] == (
        "0 of 1 ready; pod old-0 is still terminating: its node may be down"
    )


def test_each_old_pod_makes_room_for_one() -> None:
    draining = rolling_out(unscheduled(NO_GPU))
    first = draining.pods_of("whisper")[0]
    second = {**first, "metadata": first["metadata"] | {"name": "second", "creationTimestamp": "2026-11-24T12:00:00Z"}}
    draining.pods.append(second)

    assert verdict(draining.plan(), "WhisperAvailable")[1] == "Unschedulable"
    assert "pod second" in verdict(draining.plan(), "WhisperAvailable")[2], "the older one gets the GPU"


def test_a_new_pod_waits_for_the_volume_of_the_old_one() -> None:
    draining = rolling_out(waiting("ContainerCreating"))
    draining.pod_warnings[draining.pods_of("whisper")[0]["metadata"]["name"]] = ATTACHED

    assert verdict(draining.plan(), "WhisperAvailable")[1] == "Starting"
    assert verdict(draining.plan(), "WhisperAvailable")[2].endswith("waits for pod old-0 to finish its requests")


def refused_by_quota(old_pods: int, *changes: dict[str, Any]) -> PlannedCluster:
    """A Whisper whose pods have all been deleted, and whose new ones the quota refuses."""
    found = rolling_out(unscheduled(NO_GPU), old_pods)
    found.edit(pipeline(of_whisper(gpu={}), *changes)["spec"])
    found.step()
    found.pods = [pod for pod in found.pods if "deletionTimestamp" in pod["metadata"]]
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": QUOTA}
    found.object("Deployment", "calls-whisper")["status"] |= {"conditions": [failure], "readyReplicas": 0}
    return found


def test_a_quota_may_leave_room_for_one_pod_only() -> None:
    draining = refused_by_quota(1)

    assert verdict(draining.plan(), "WhisperAvailable")[1] == "Starting"

    draining.later(331)
    assert verdict(draining.plan(), "WhisperAvailable")[1] == "QuotaExceeded"


@pytest.mark.parametrize(("old_pods", "reason"), [(1, "QuotaExceeded"), (2, "Starting")])
def test_an_old_pod_leaves_the_quota_of_one(old_pods: int, reason: str) -> None:
    draining = refused_by_quota(old_pods, of_whisper(scaling={"minReplicas": 2}, cache={"ephemeral": True}))

    assert verdict(draining.plan(), "WhisperAvailable")[1] == reason


@pytest.mark.parametrize(
    ("status", "warning", "reason"),
    [
        pytest.param(waiting("ErrImagePull", NO_IMAGE), "", "ImagePullBackOff", id="an image"),
        pytest.param(waiting("ContainerCreating"), "MountVolume.SetUp failed", "StartBlocked", id="another volume"),
        pytest.param(
            unscheduled('0/1 nodes are available: persistentvolumeclaim "x" not found.'), "", "PVCNotFound", id="no PVC"
        ),
    ],
)
def test_what_the_old_pod_does_not_hold_is_a_fault_at_once(status: dict[str, Any], warning: str, reason: str) -> None:
    draining = rolling_out(status)
    draining.pod_warnings[draining.pods_of("whisper")[0]["metadata"]["name"]] = warning

    assert verdict(draining.plan(), "WhisperAvailable")[1] == reason
