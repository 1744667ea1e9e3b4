"""Faults of pods are reported in the words of the scheduler and the kubelet, with advice."""

from collections.abc import Callable
from typing import Any

import pytest

from cluster.pipelines import of_bridge, of_whisper
from fakes.planned_cluster import PlannedCluster, converged, serving, verdict
from fakes.pod_statuses import NO_GPU, NO_IMAGE, cluster_with, terminated, unready, unscheduled, waiting
from speechoperator.settings import Settings

pytestmark = pytest.mark.unit

EVICTED = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}


def test_a_missing_gpu_is_reported_with_advice() -> None:
    plan = cluster_with(unscheduled(NO_GPU), of_whisper(gpu={})).plan()

    status, reason, message = verdict(plan, "WhisperAvailable")
    assert (status, reason) == ("False", "Unschedulable")
    assert "1 Insufficient nvidia.com/gpu" in message
    assert message.endswith("Free a GPU, add a node with nvidia.com/gpu, or remove whisper.gpu to run on the CPU")
    assert verdict(plan, "Ready") == ("False", "Unschedulable", f"whisper: {message}")


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        pytest.param(
            unscheduled("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."),
            "Unschedulable",
            "3 node(s) didn't match Pod's node affinity/selector",
            id="no matching node",
        ),
        pytest.param(
            unscheduled('0/1 nodes are available: persistentvolumeclaim "weights" not found.'),
            "PVCNotFound",
            'persistentvolumeclaim "weights" not found. Create the PVC, or change whisper.cache.existingClaim',
            id="no PVC",
        ),
        pytest.param(waiting("ErrImagePull", NO_IMAGE), "ImagePullBackOff", NO_IMAGE, id="no image"),
        pytest.param(
            waiting("ImagePullBackOff", f'Back-off pulling image "team/nosuch:1": ErrImagePull: {NO_IMAGE}'),
            "ImagePullBackOff",
            NO_IMAGE,
            id="no image, after the first attempt",
        ),
        pytest.param(
            waiting("ImagePullBackOff", 'Back-off pulling image "team/nosuch:1"'),
            "ImagePullBackOff",
            'Back-off pulling image "team/nosuch:1"',
            id="no image, before Kubernetes 1.32",
        ),
        pytest.param(
            waiting("InvalidImageName", 'Failed to apply default image tag "A:B:C": couldn\'t parse image name'),
            "ImagePullBackOff",
            "couldn't parse image name",
            id="invalid image name",
        ),
        pytest.param(
            waiting("ErrImageNeverPull", 'Container image "x" is not present with pull policy of Never'),
            "ImagePullBackOff",
            "is not present with pull policy of Never",
            id="image never pulled",
        ),
        pytest.param(
            waiting("CreateContainerConfigError", 'secret "hub-token" not found'),
            "CreateContainerConfigError",
            'secret "hub-token" not found',
            id="no secret for a variable",
        ),
        pytest.param(
            waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"),
            "CreateContainerConfigError",
            "image will run as root",
            id="image that runs as root",
        ),
        pytest.param(
            waiting(
                "CrashLoopBackOff",
                "back-off 40s restarting failed",
                terminated(1, "Error", "Traceback\nValueError: no\n"),
            ),
            "CrashLoopBackOff",
            "container whisper exited with code 1: Traceback | ValueError: no",
            id="crash",
        ),
        pytest.param(
            waiting("CrashLoopBackOff", "back-off 10s restarting failed", terminated(137, "OOMKilled")),
            "CrashLoopBackOff",
            "container whisper exited with code 137 (OOMKilled). Increase whisper.resources.limits.memory",
            id="out of memory",
        ),
        pytest.param(
            waiting("CrashLoopBackOff", "back-off 10s restarting failed", terminated(0, "Completed")),
            "CrashLoopBackOff",
            "container whisper exited with code 0 (Completed)",
            id="exit without an error",
        ),
        pytest.param(
            waiting("RunContainerError", 'exec: "serve": executable file not found in $PATH'),
            "CrashLoopBackOff",
            'container whisper does not start: exec: "serve": executable file not found in $PATH',
            id="no executable",
        ),
        pytest.param(
            unready(last=terminated(139)),
            "CrashLoopBackOff",
            "container whisper exited with code 139",
            id="restarted after a crash",
        ),
        pytest.param(
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
            "PodFailed",
            "Evicted: The node was low on resource: memory",
            id="evicted",
        ),
    ],
)
def test_a_faulty_pod_is_reported(status: dict[str, Any], reason: str, words: str) -> None:
    broken = cluster_with(status)
    pod = broken.pods_of("whisper")[0]["metadata"]["name"]

    plan = broken.plan()

    assert verdict(plan, "WhisperAvailable")[:2] == ("False", reason)
    assert verdict(plan, "WhisperAvailable")[2].startswith(f"0 of 1 ready; pod {pod}: ")
    assert words in verdict(plan, "WhisperAvailable")[2]
    assert verdict(plan, "Ready")[1] == reason
    assert verdict(plan, "Progressing")[:2] == ("False", reason)
    assert [(event.type, event.reason) for event in plan.events] == [("Warning", reason)]


def test_a_missing_secret_of_a_volume_is_reported() -> None:
    broken = cluster_with(
        waiting("ContainerCreating"), of_bridge(replicas=1, apiKeys={"secretName": "keys"}), component="bridge"
    )
    pod = broken.pods_of("bridge")[0]["metadata"]["name"]
    broken.pod_warnings[pod] = 'MountVolume.SetUp failed for volume "api-keys" : secret "keys" not found'

    assert verdict(broken.plan(), "BridgeAvailable")[1] == "CreateContainerConfigError"
    assert 'secret "keys" not found' in verdict(broken.plan(), "BridgeAvailable")[2]


def test_a_volume_that_cannot_be_attached_is_reported() -> None:
    broken = cluster_with(waiting("ContainerCreating"))
    pod = broken.pods_of("whisper")[0]["metadata"]["name"]
    broken.pod_warnings[pod] = 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) x'

    assert verdict(broken.plan(), "WhisperAvailable")[1] == "StartBlocked"


def test_a_warning_of_the_scheduler_is_ignored_once_the_pod_has_a_node() -> None:
    starting = cluster_with(waiting("ContainerCreating"))
    pod = starting.pods_of("whisper")[0]["metadata"]["name"]
    starting.pod_warnings[pod] = NO_GPU

    assert verdict(starting.plan(), "WhisperAvailable")[1] == "Starting"


def test_a_restart_of_the_node_is_no_crash() -> None:
    restarted = cluster_with(unready(last=terminated(255, "Unknown")))

    assert verdict(restarted.plan(), "WhisperAvailable")[1] == "Starting"


def test_a_probe_is_reported_once_it_has_failed_for_long() -> None:
    slow = cluster_with(unready())
    pod = slow.pods_of("whisper")[0]["metadata"]["name"]
    slow.pod_warnings[pod] = "Readiness probe failed: HTTP probe failed with statuscode: 503"

    soon = slow.plan()
    assert (verdict(soon, "WhisperAvailable")[1], soon.requeue_after) == ("Starting", 30)
    assert verdict(soon, "WhisperAvailable")[2] == f"0 of 1 ready; pod {pod} is starting"

    slow.later(30)
    late = slow.plan()
    assert (verdict(late, "WhisperAvailable")[1], late.requeue_after) == ("ProbeFailing", None)
    assert "statuscode: 503" in verdict(late, "WhisperAvailable")[2]


def test_loading_weights_may_take_minutes() -> None:
    slow = cluster_with(unready(started=False))
    slow.later(599)
    assert verdict(slow.plan(), "WhisperAvailable")[1] == "Starting"

    slow.later(1)
    assert verdict(slow.plan(), "WhisperAvailable")[1] == "ProbeFailing"


def test_a_pod_waits_for_an_autoscaled_node_before_that_is_a_fault() -> None:
    slow = cluster_with(unscheduled(NO_GPU), of_whisper(gpu={}))
    slow.settings = Settings()

    slow.later(599)
    soon = slow.plan()
    assert verdict(soon, "WhisperAvailable")[1] == "WaitingForNode"
    assert "1 Insufficient nvidia.com/gpu" in verdict(soon, "WhisperAvailable")[2], "the scheduler's words"
    assert verdict(soon, "Progressing")[0] == "True"
    assert "Warning" not in {event.type for event in soon.events}
    assert soon.requeue_after == 1

    slow.later(1)
    assert verdict(slow.plan(), "WhisperAvailable")[1] == "Unschedulable"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("pod didn't trigger scale-up: 1 max node group size reached", "Unschedulable"),
        ("pod didn't trigger scale-up: 1 in backoff after failed scale-up", "WaitingForNode"),
    ],
)
def test_a_pod_for_which_the_autoscaler_adds_no_node_waits_in_vain(message: str, reason: str) -> None:
    stuck = cluster_with(unscheduled(NO_GPU), of_whisper(gpu={}))
    stuck.settings = Settings()
    stuck.pod_warnings[stuck.pods_of("whisper")[0]["metadata"]["name"]] = message

    stuck.later(20)

    assert verdict(stuck.plan(), "WhisperAvailable")[1] == reason
    if reason == "Unschedulable":
        words = verdict(stuck.plan(), "WhisperAvailable")[2]
        assert "1 Insufficient nvidia.com/gpu" in words
        assert f"cluster autoscaler: {message}" in words
        assert "Free a GPU" in words


def test_a_finished_pod_that_was_replaced_is_no_fault() -> None:
    """A spot node went away: its pod stays as Failed, and another one loads the weights."""
    found = cluster_with(unready(started=False))
    [healthy] = found.pods_of("whisper")
    healthy["metadata"]["creationTimestamp"] = "2026-11-23T12:00:00Z"
    evicted = {**healthy, "status": EVICTED}
    evicted["metadata"] = {**healthy["metadata"], "name": "evicted", "creationTimestamp": "2026-11-23T11:00:00Z"}
    found.pods.append(evicted)

    assert verdict(found.plan(), "WhisperAvailable")[1] == "Starting"

    evicted["metadata"]["creationTimestamp"] = "2026-11-23T12:30:00Z"
    assert verdict(found.plan(), "WhisperAvailable")[1] == "PodFailed", "nothing has replaced it yet"


FULL_CACHE = {
    "phase": "Failed",
    "reason": "Evicted",
    "message": 'Usage of EmptyDir volume "cache" exceeds the limit "3G".',
}


def with_full_cache(now: dict[str, Any]) -> PlannedCluster:
    """A pod was evicted because of what it downloaded; its replacement has this status."""
    found = cluster_with(now, of_whisper(cache={"ephemeral": True, "size": "3G"}))
    [younger] = found.pods_of("whisper")
    younger["metadata"]["creationTimestamp"] = "2026-11-23T12:00:00Z"
    evicted = {**younger, "status": FULL_CACHE}
    evicted["metadata"] = {**younger["metadata"], "name": "evicted", "creationTimestamp": "2026-11-23T11:00:00Z"}
    found.pods.append(evicted)
    return found


def test_a_pod_that_filled_its_cache_is_reported_although_it_was_replaced() -> None:
    """Its replacement downloads the same again, and is evicted again."""
    found = with_full_cache(unready(started=False))

    status, reason, message = verdict(found.plan(), "WhisperAvailable")

    assert (status, reason) == ("False", "PodFailed")
    assert message == f"0 of 1 ready; pod evicted: Evicted: {FULL_CACHE['message'][:-1]}. Increase whisper.cache.size"


def test_once_its_replacement_is_ready_it_is_no_fault() -> None:
    found = with_full_cache(serving("whisper"))

    assert verdict(found.plan(), "WhisperAvailable")[:2] == ("True", "Available")
    assert verdict(found.plan(), "Progressing")[1] == "UpToDate"


def test_once_the_cache_was_increased_it_is_no_fault() -> None:
    found = with_full_cache(unready(started=False))
    [younger, _] = found.pods_of("whisper")
    volumes = [
        one | {"emptyDir": {"sizeLimit": "9G"}} if one["name"] == "cache" else one for one in younger["spec"]["volumes"]
    ]
    younger["spec"] = younger["spec"] | {"volumes": volumes}

    assert verdict(found.plan(), "WhisperAvailable")[1] == "Starting"


@pytest.mark.parametrize(
    ("one", "other", "reported"),
    [
        (unscheduled(NO_GPU), waiting("ErrImagePull", NO_IMAGE), "Unschedulable"),
        (
            waiting("CrashLoopBackOff", "x", terminated(1)),
            waiting("CreateContainerConfigError", "secret"),
            "CreateContainerConfigError",
        ),
        ({"phase": "Failed", "reason": "Evicted"}, waiting("ErrImagePull", NO_IMAGE), "ImagePullBackOff"),
    ],
)
@pytest.mark.parametrize("order", [lambda two: two, lambda two: two[::-1]], ids=["in order", "reversed"])
def test_the_most_useful_finding_is_reported(
    one: dict[str, Any], other: dict[str, Any], reported: str, order: Callable[[list[Any]], list[Any]]
) -> None:
    broken = converged()
    broken.settings = Settings(unschedulable_grace=0)
    for pod, status in zip(broken.pods_of("bridge"), order([one, other]), strict=True):
        pod["status"] = status
    broken.settle()

    assert verdict(broken.plan(), "BridgeAvailable")[1] == reported
