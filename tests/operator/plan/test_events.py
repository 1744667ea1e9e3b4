"""Events on a pipeline: each change is recorded once."""

import pytest

from cluster.pipelines import pipeline
from fakes.planned_cluster import PlannedCluster
from fakes.pod_statuses import NO_GPU, cluster_with, unscheduled

pytestmark = pytest.mark.unit


def test_a_finding_is_recorded_once() -> None:
    broken = cluster_with(unscheduled(NO_GPU))

    assert [event.reason for event in broken.step().events] == ["Unschedulable"]
    assert not broken.step().events


def test_becoming_ready_is_recorded() -> None:
    found = PlannedCluster(pipeline())
    recorded = []
    for _ in range(8):
        recorded += [(event.type, event.reason) for event in found.step().events]
        found.settle()

    assert recorded == [("Normal", "ModelReady"), ("Normal", "Ready")]
