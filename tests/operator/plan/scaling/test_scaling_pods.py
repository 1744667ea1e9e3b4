"""The state of a component from its pods, the startup time that they show, and what a new leader knows of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from speechoperator.plan.scaling.history import Startup
from speechoperator.plan.scaling.pods import component_state, measured_startup
from speechoperator.plan.scaling.restore import from_status

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 23, 12, 10, tzinfo=UTC)
CREATED = "2026-11-23T12:00:00Z"
END_OF_GRACE = "2026-11-23T12:11:00Z"


def pod(
    *conditions: dict[str, Any], created: str = CREATED, terminating: bool = False, **status: Any
) -> dict[str, Any]:
    gone = {"deletionTimestamp": END_OF_GRACE} if terminating else {}
    return {
        "metadata": {"name": f"pod-{created}", "creationTimestamp": created, **gone},
        "status": {"conditions": list(conditions), **status},
    }


def scheduled(status: str = "True", since: str = CREATED, **more: str) -> dict[str, Any]:
    return {"type": "PodScheduled", "status": status, "lastTransitionTime": since, **more}


def ready(since: str = "2026-11-23T12:00:40Z") -> dict[str, Any]:
    return {"type": "Ready", "status": "True", "lastTransitionTime": since}


def waits(reason: str) -> list[dict[str, Any]]:
    return [{"name": "whisper", "state": {"waiting": {"reason": reason}}}]


LACKS_A_NODE = scheduled("False", reason="Unschedulable", message="0/1 nodes are available:\n1 Insufficient cpu.")


def test_pods_are_counted_by_what_they_do() -> None:
    pods = [
        pod(scheduled(), ready()),
        pod(scheduled(), containerStatuses=waits("ContainerCreating")),
        pod(scheduled(), containerStatuses=waits("CrashLoopBackOff")),
        pod(),
        pod(LACKS_A_NODE),
        pod(scheduled(), ready(), terminating=True),
        pod(scheduled(), phase="Failed"),
    ]
    state = component_state(5, pods, Startup(42.0, CREATED), NOW, 600.0)
    assert (state.desired, state.ready, state.starting, state.pending) == (5, 1, 1, 2)
    assert (state.unschedulable, state.terminating, state.startup) == (0, 1, 42.0)
    assert state.occupied == 6


def test_a_pod_that_waits_for_a_terminating_one_is_not_unschedulable() -> None:
    lacking, ending = pod(LACKS_A_NODE), pod(scheduled(), ready(), terminating=True)

    def unschedulable(*pods: dict[str, Any]) -> tuple[int, str]:
        state = component_state(2, pods, None, NOW, 600.0)
        return state.unschedulable, state.scheduler_message

    message = "0/1 nodes are available: 1 Insufficient cpu."
    assert unschedulable(lacking) == (1, message)
    assert unschedulable(lacking, ending) == (0, "")
    assert unschedulable(lacking, lacking, ending) == (1, message)


def test_a_terminating_pod_that_outlives_its_grace_period_is_no_excuse() -> None:
    pods = [pod(LACKS_A_NODE), pod(scheduled(), ready(), terminating=True)]

    state = component_state(2, pods, None, NOW + timedelta(seconds=91), 600.0)

    assert (state.unschedulable, state.terminating) == (1, 1)


def test_a_pod_that_does_not_become_ready_does_not_count_as_loading_for_ever() -> None:
    old = pod(scheduled(), created="2026-11-23T10:00:00Z")
    restarted = pod(scheduled(), containerStatuses=[{"name": "whisper", "restartCount": 1, "state": {"running": {}}}])
    state = component_state(2, [old, restarted], None, NOW, 600.0)
    assert (state.starting, state.ready) == (0, 0)


def test_a_pod_may_wait_as_long_as_a_new_node_needs() -> None:
    state = component_state(1, [pod(LACKS_A_NODE)], None, NOW, 601.0)
    assert (state.pending, state.unschedulable) == (1, 0)


def test_the_startup_time_is_that_of_the_fastest_of_the_new_pods() -> None:
    pods = [pod(ready()), pod(ready("2026-11-23T12:01:30Z")), pod(scheduled())]
    assert measured_startup(pods, None) == Startup(40.0, CREATED)


def test_a_pod_whose_readiness_changes_later_is_not_measured_again() -> None:
    before = Startup(40.0, CREATED)
    assert measured_startup([pod(ready("2026-11-23T12:09:00Z"))], before) == before
    newer = pod(ready("2026-11-23T12:05:20Z"), created="2026-11-23T12:05:00Z")
    assert measured_startup([newer], before) == Startup(20.0, "2026-11-23T12:05:00Z")


def test_a_pod_that_was_restarted_or_waited_for_long_has_measured_nothing() -> None:
    restarted = pod(ready(), containerStatuses=[{"name": "whisper", "restartCount": 1, "state": {}}])
    late = pod(ready("2026-11-23T13:30:00Z"))
    assert measured_startup([restarted, late], None) is None


def test_a_new_leader_knows_the_startup_time_and_measures_only_newer_pods() -> None:
    history = from_status({"whisper": {"startupSeconds": 42}, "ollama": {}}, NOW)
    assert history.whisper.startup == Startup(42.0, "2026-11-23T12:10:00Z")
    assert history.ollama.startup is None
    assert measured_startup([pod(ready("2026-11-23T12:09:00Z"))], history.whisper.startup) == history.whisper.startup
