"""Events on a pipeline: each change is recorded once."""

import ast
import inspect

import pytest

from cluster.pipelines import pipeline
from fakes.planned_cluster import PlannedCluster, converged
from fakes.pod_statuses import NO_GPU, cluster_with, unscheduled
from speechoperator.plan import events

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


def test_suspending_is_recorded() -> None:
    found = converged()
    found.edit(pipeline({"suspend": True})["spec"])

    assert [(event.type, event.reason) for event in found.step().events] == [("Normal", "Suspended")]


def test_every_normal_event_is_documented() -> None:
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(events))) if isinstance(node, ast.Call)]
    arguments = [[one.value for one in call.args if isinstance(one, ast.Constant)] for call in calls]

    assert {words[1] for words in arguments if words[:1] == ["Normal"]} == set(events.NORMAL_EVENTS)
