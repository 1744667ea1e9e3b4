"""GPUs: offered, healthy and free."""

from typing import Any

import pytest

from cli.doctor.cases import condition, facts, node, only, pod, refused, the, wrong
from speechcli.doctor.checks import gpus
from speechcli.doctor.verdicts import Level

pytestmark = pytest.mark.unit


def test_no_gpu_is_requested() -> None:
    assert [one.message for one in gpus.check(facts(pods=[pod()]))] == ["no pod requests a GPU"]


WAITING: dict[str, Any] = {"node": "", "ready": False, "phase": "Pending"}
UNSCHEDULED = pod(gpus=1, **WAITING)


def test_enough_free_gpus_are_fine() -> None:
    running, waiting = pod("calls-whisper-0", gpus=1), pod(gpus=1, **WAITING)

    found = list(gpus.check(facts(pods=[running, waiting], all_pods=[running, waiting], nodes=[node(allocatable=2)])))

    assert [one.message for one in found] == ["pods without a node request 1 nvidia.com/gpu, 1 of 2 are free"]


def test_pods_with_a_node_have_their_gpus() -> None:
    mine = pod(gpus=2)

    found = list(gpus.check(facts(pods=[mine], all_pods=[mine], nodes=[])))

    assert [one.message for one in found] == ["2 nvidia.com/gpu requested, all assigned to nodes"]


def test_gpus_that_are_in_use_are_named_with_their_users() -> None:
    mine, theirs = pod(gpus=2, **WAITING), pod("train-0", "", namespace="research", gpus=3)

    found = the(gpus.check(facts(pods=[mine], all_pods=[mine, theirs], nodes=[node(allocatable=4)])), Level.FAULT)

    assert "request 2 nvidia.com/gpu, 1 of 4 are free; used by research/train-0 (3)" in found.message


def test_terminating_pods_wait_for_nothing_and_still_use_their_gpus() -> None:
    leaving, gone = pod("calls-whisper-0", gpus=1), pod("calls-whisper-2", gpus=1, **WAITING)
    for one in (leaving, gone):
        one["metadata"]["deletionTimestamp"] = "2026-11-29T19:00:00Z"
    ours = [leaving, gone, UNSCHEDULED]

    found = the(gpus.check(facts(pods=ours, all_pods=ours, nodes=[node(allocatable=1)])), Level.FAULT)

    assert "request 1 nvidia.com/gpu, 0 of 1 are free; used by team-a/calls-whisper-0 (1)" in found.message


def test_pods_on_cordoned_nodes_use_nothing_of_the_others() -> None:
    cordoned = node("old", 1) | {"spec": {"unschedulable": True}}
    other = pod("train-0", "", namespace="research", gpus=1, node="old")
    found = facts(pods=[UNSCHEDULED], all_pods=[UNSCHEDULED, other], nodes=[cordoned, node(allocatable=1)])

    assert wrong(gpus.check(found)) == []


def test_a_pod_that_an_autoscaler_may_give_a_node_is_a_warning() -> None:
    status = {"conditions": [condition("WhisperAvailable", "False", "WaitingForNode")]}

    assert the(gpus.check(facts(status=status, pods=[UNSCHEDULED], nodes=[node()])), Level.WARNING)


def test_a_gpu_node_without_its_device_plugin_is_recognized_by_its_label() -> None:
    bare = node("gpu-1", 0, **{"nvidia.com/gpu.present": "true"})

    found = the(gpus.check(facts(pods=[UNSCHEDULED], nodes=[bare])), Level.FAULT)

    assert "gpu-1 has GPUs: the driver or the device plugin does not run there" in found.message


def test_a_cluster_without_gpus_says_how_to_run_on_cpu() -> None:
    found = the(gpus.check(facts(pods=[UNSCHEDULED], nodes=[node()])), Level.FAULT)

    assert "gpu: {count: 0}" in found.fix


def test_an_unhealthy_gpu_is_a_warning() -> None:
    found = the(
        gpus.check(facts(pods=[pod(gpus=1)], all_pods=[], nodes=[node(allocatable=1, capacity=2)])), Level.WARNING
    )

    assert "n1: 1 of 2 nvidia.com/gpu are healthy" in found.message


def test_cordoned_nodes_do_not_count() -> None:
    cordoned = node("old", 8) | {"spec": {"unschedulable": True}}

    assert only(gpus.check(facts(pods=[UNSCHEDULED], nodes=[cordoned])), Level.FAULT)


def test_without_permission_for_nodes_it_is_not_checked() -> None:
    found = wrong(gpus.check(facts(pods=[UNSCHEDULED], nodes=refused("nodes"))))

    assert [one.level for one in found] == [Level.UNCHECKED]


def test_without_permission_for_other_pods_only_too_few_is_certain() -> None:
    enough = gpus.check(facts(pods=[UNSCHEDULED], nodes=[node(allocatable=1)], all_pods=refused("pods")))
    too_few = gpus.check(facts(pods=[pod(gpus=2, **WAITING)], nodes=[node(allocatable=1)], all_pods=refused("pods")))

    assert [one.level for one in (*enough, *too_few)] == [Level.UNCHECKED, Level.FAULT]
