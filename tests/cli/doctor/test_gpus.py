"""GPUs: offered, healthy and free."""

import pytest

from cli.doctor.cases import facts, node, only, pod, refused, the, wrong
from speechcli.doctor.checks import gpus
from speechcli.doctor.verdicts import Level

pytestmark = pytest.mark.unit


def test_no_gpu_is_requested() -> None:
    assert [one.message for one in gpus.check(facts(pods=[pod()]))] == ["no pod requests a GPU"]


def test_enough_free_gpus_are_fine() -> None:
    mine = pod(gpus=1)

    found = list(gpus.check(facts(pods=[mine], all_pods=[mine], nodes=[node(allocatable=2)])))

    assert [one.message for one in found] == ["1 nvidia.com/gpu requested, 2 of 2 not used by others"]


def test_gpus_used_by_others_are_named_with_their_users() -> None:
    mine, theirs = pod(gpus=2), pod("train-0", "", namespace="research", gpus=3)

    found = the(gpus.check(facts(pods=[mine], all_pods=[mine, theirs], nodes=[node(allocatable=4)])), Level.FAULT)

    assert "request 2 nvidia.com/gpu, 1 of 4 are free; used by research/train-0 (3)" in found.message


def test_more_than_the_cluster_has_is_a_fault() -> None:
    found = the(gpus.check(facts(pods=[pod(gpus=4)], nodes=[node(allocatable=2)])), Level.FAULT)

    assert "all nodes together have 2" in found.message


def test_a_gpu_node_without_its_device_plugin_is_recognized_by_its_label() -> None:
    bare = node("gpu-1", 0, **{"nvidia.com/gpu.present": "true"})

    found = the(gpus.check(facts(pods=[pod(gpus=1)], nodes=[bare])), Level.FAULT)

    assert "gpu-1 has GPUs: the driver or the device plugin does not run there" in found.message


def test_a_cluster_without_gpus_says_how_to_run_on_cpu() -> None:
    found = the(gpus.check(facts(pods=[pod(gpus=1)], nodes=[node()])), Level.FAULT)

    assert "gpu: {count: 0}" in found.fix


def test_an_unhealthy_gpu_is_a_warning() -> None:
    found = the(
        gpus.check(facts(pods=[pod(gpus=1)], all_pods=[], nodes=[node(allocatable=1, capacity=2)])), Level.WARNING
    )

    assert "n1: 1 of 2 nvidia.com/gpu are healthy" in found.message


def test_cordoned_nodes_do_not_count() -> None:
    cordoned = node("old", 8) | {"spec": {"unschedulable": True}}

    assert only(gpus.check(facts(pods=[pod(gpus=1)], nodes=[cordoned])), Level.FAULT)


def test_without_permission_for_nodes_it_is_not_checked() -> None:
    found = wrong(gpus.check(facts(pods=[pod(gpus=1)], nodes=refused("nodes"))))

    assert [one.level for one in found] == [Level.UNCHECKED]


def test_without_permission_for_other_pods_the_sum_is_still_compared() -> None:
    found = list(gpus.check(facts(pods=[pod(gpus=1)], nodes=[node(allocatable=1)], all_pods=refused("pods"))))

    assert [one.level for one in found] == [Level.OK, Level.UNCHECKED]
