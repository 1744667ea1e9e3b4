"""The HPA of the comparison follows Kubernetes' algorithm."""

import pytest

from speechoperator.simulation.hpa import HPA, Targets
from speechoperator.simulation.stage import Job, PodModel, Stage

pytestmark = pytest.mark.unit

MODEL = PodModel(startup=60.0, speed=10.0)


def stage_with(requests: int, replicas: int) -> Stage:
    """Pods after 15 s, with long requests."""
    stage = Stage(MODEL, replicas)
    stage.submit([Job(0.0, 10_000.0) for _ in range(requests)])
    stage.advance(15.0)
    return stage


def run(hpa: HPA, stage: Stage, seconds: int) -> list[int]:
    replicas = []
    for _ in range(seconds // 15):
        replicas.append(hpa.decide(stage))
        stage.set_replicas(replicas[-1])
        stage.advance(stage.now + 15.0)
    return replicas


def test_the_queue_is_divided_by_the_target() -> None:
    assert HPA(Targets(queue=4), 1, 10).decide(stage_with(12, 2)) == 3


def test_a_deviation_within_the_tolerance_changes_nothing() -> None:
    assert HPA(Targets(queue=4), 1, 10).decide(stage_with(13, 3)) == 3


def test_scaling_up_is_limited_to_four_pods_or_the_double_in_15_s() -> None:
    assert run(HPA(Targets(queue=1), 1, 40), stage_with(40, 1), 60) == [5, 10, 20, 40]


def test_scaling_down_waits_for_five_minutes() -> None:
    hpa, stage = HPA(Targets(queue=1), 1, 10), stage_with(0, 4)
    replicas = run(hpa, stage, 360)
    assert replicas.index(1) * 15 == 300


def test_cpu_scales_by_the_ratio_of_the_utilization_to_the_target() -> None:
    assert HPA(Targets(cpu=0.5), 1, 10).decide(stage_with(2, 2)) == 4


def test_pods_that_start_count_as_idle_when_scaling_up() -> None:
    hpa, stage = HPA(Targets(cpu=0.5), 1, 10), stage_with(2, 2)
    assert run(hpa, stage, 45) == [4, 4, 4]


@pytest.mark.parametrize(("targets", "replicas"), [(Targets(queue=1), 0), (Targets(cpu=0.5), 1)])
def test_only_the_queue_can_scale_to_zero(targets: Targets, replicas: int) -> None:
    assert run(HPA(targets, 0, 10), stage_with(0, 1), 330)[-1] == replicas
