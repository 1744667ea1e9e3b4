"""Pods that are pending, crash or are not ready: in the words of the scheduler and the kubelet."""

from typing import Any

import pytest

from cli.doctor.cases import condition, event, facts, only, pod, refused, the, wrong
from speechcli.doctor.checks import pods
from speechcli.doctor.verdicts import Level

pytestmark = pytest.mark.unit


def container(**state: Any) -> list[dict[str, Any]]:
    return [{"name": "main", "restartCount": 0, "state": {"running": {}}, **state}]


def killed_for_memory(at: str) -> dict[str, Any]:
    return {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": at}}


def test_running_pods_are_one_line_per_component() -> None:
    found = list(pods.check(facts(pods=[pod(), pod("calls-bridge-1", "bridge")])))

    assert [one.message for one in found] == ["whisper: 1 running and ready", "bridge: 1 running and ready"]


def test_an_unscheduled_pod_has_the_schedulers_words() -> None:
    said = condition(
        "PodScheduled", "False", "Unschedulable", "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    )
    pending = pod(ready=False, phase="Pending", conditions=[said])

    found = the(pods.check(facts(pods=[pending])), Level.FAULT)

    assert "0/3 nodes are available: 3 Insufficient nvidia.com/gpu." in found.message
    assert found.fix == "kubectl -n team-a describe pod calls-whisper-1"


def test_an_unscheduled_pod_that_may_still_get_a_node_is_a_warning() -> None:
    pending = pod(ready=False, phase="Pending", conditions=[condition("PodScheduled", "False", "Unschedulable")])
    status = {"conditions": [condition("WhisperAvailable", "False", "WaitingForNode")]}

    assert the(pods.check(facts(status=status, pods=[pending])), Level.WARNING)


def test_an_image_that_cannot_be_pulled_is_a_fault() -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image\n x"}}

    found = the(pods.check(facts(pods=[pod(ready=False, containerStatuses=container(state=waiting))])), Level.FAULT)

    assert "ImagePullBackOff: Back-off pulling image x" in found.message


def test_a_crashing_container_points_to_its_last_log() -> None:
    crashed = container(
        state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState={"terminated": {"reason": "Error", "exitCode": 3}}
    )

    found = the(pods.check(facts(pods=[pod(ready=False, containerStatuses=crashed)])), Level.FAULT)

    assert "exit code 3" in found.message
    assert found.fix == "kubectl -n team-a logs calls-whisper-1 -c main --previous"


def test_a_container_killed_for_memory_names_the_limit_to_raise() -> None:
    killed = container(ready=False, lastState=killed_for_memory(at="2026-11-29T10:00:00Z"))

    found = the(pods.check(facts(pods=[pod(containerStatuses=killed)])), Level.FAULT)

    assert "spec.whisper.resources.limits.memory" in found.fix


@pytest.mark.parametrize(("at", "faults"), [("2026-11-29T19:30:00Z", 1), ("2026-11-29T10:00:00Z", 0)])
def test_a_kill_that_the_container_has_recovered_from_passes(at: str, faults: int) -> None:
    recovered = container(ready=True, lastState=killed_for_memory(at))

    assert len(wrong(pods.check(facts(pods=[pod(containerStatuses=recovered)])))) == faults


def test_fewer_ready_pods_than_desired_are_a_warning() -> None:
    leaving = pod("calls-whisper-0")
    leaving["metadata"]["deletionTimestamp"] = "2026-11-29T19:00:00Z"

    found = the(pods.check(facts(status={"whisper": {"desired": 2}}, pods=[leaving, pod()])), Level.WARNING)

    assert "whisper: 1 of 2 running and ready" in found.message


def test_a_pod_that_is_not_ready_has_the_kubelets_latest_words() -> None:
    said = [
        event("Pod", "calls-whisper-1", "Unhealthy", "old", at="2026-11-29T18:00:00Z"),
        event("Pod", "calls-whisper-1", "FailedMount", "MountVolume failed", at="2026-11-29T19:00:00Z"),
    ]

    found = the(pods.check(facts(pods=[pod(ready=False)], events=said)), Level.WARNING)

    assert "FailedMount: MountVolume failed" in found.message


def test_a_container_that_is_being_created_is_no_fault() -> None:
    creating = container(state={"waiting": {"reason": "ContainerCreating"}})

    assert only(pods.check(facts(pods=[pod(ready=False, containerStatuses=creating)])), Level.FAULT) == []


def test_pods_that_cannot_be_created_have_the_replica_sets_words() -> None:
    said = [event("ReplicaSet", "calls-whisper-5d", "FailedCreate", 'violates PodSecurity "restricted"')]

    found = the(pods.check(facts(status={"whisper": {"desired": 1}}, pods=[], events=said)), Level.FAULT)

    assert "whisper: no pods, 1 desired: violates PodSecurity" in found.message


def test_a_pod_that_is_being_deleted_is_not_judged() -> None:
    leaving = pod(ready=False)
    leaving["metadata"]["deletionTimestamp"] = "2026-11-29T19:00:00Z"

    assert wrong(pods.check(facts(pods=[leaving]))) == []


def test_without_permission_nothing_is_said() -> None:
    assert the(pods.check(facts(pods=refused("pods"))), Level.UNCHECKED)
