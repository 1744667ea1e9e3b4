"""A rollout in place: the new pod exists while the old one finishes its requests, and waits for its GPU or volume."""

from typing import Any

import pytest

from cluster.pipelines import of_whisper
from fakes.planned_cluster import WRITTEN_NOON, PlannedCluster, serving, verdict
from fakes.pod_statuses import NO_GPU, NO_IMAGE, cluster_with, unscheduled, waiting

pytestmark = pytest.mark.unit

ATTACHED = 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) old'
QUOTA = 'pods "calls-whisper-5d8f-abcde" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=1'


def rolling_out(status: dict[str, Any], old_pods: int = 1) -> PlannedCluster:
    """A Whisper whose new pod has this status; it has existed for longer than a node may take."""
    found = cluster_with(status, of_whisper(gpu={}))
    new = found.pods_of("whisper")[0]
    found.pods.extend(
        {
            **new,
            "metadata": new["metadata"] | {"name": f"old-{number}", "deletionTimestamp": WRITTEN_NOON},
            "status": serving("whisper"),
        }
        for number in range(old_pods)
    )
    found.later(3600)
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


def test_a_quota_may_leave_room_for_one_pod_only() -> None:
    draining = rolling_out(unscheduled(NO_GPU))
    draining.pods.remove(draining.pods_of("whisper")[0])
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": QUOTA}
    draining.object("Deployment", "calls-whisper")["status"] |= {"conditions": [failure], "readyReplicas": 0}

    assert verdict(draining.plan(), "WhisperAvailable")[1] == "Starting"

    draining.pods.remove(draining.pod("old-0"))
    assert verdict(draining.plan(), "WhisperAvailable")[1] == "QuotaExceeded"


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
