"""Conditions as JSON."""

import pytest

from fakes.planned_cluster import WRITTEN_NOON, condition, converged
from fakes.pod_statuses import NO_GPU, unscheduled

pytestmark = pytest.mark.unit


def test_a_condition_keeps_the_time_of_its_last_transition() -> None:
    found = converged()
    found.later(60)
    found.pods_of("whisper")[0]["status"] = unscheduled(NO_GPU)
    found.settle()

    plan = found.step()

    assert condition(plan, "WhisperAvailable")["lastTransitionTime"] == "2026-11-23T12:01:00Z"
    assert condition(plan, "BridgeAvailable")["lastTransitionTime"] == WRITTEN_NOON
    found.later(60)
    assert condition(found.plan(), "WhisperAvailable")["lastTransitionTime"] == "2026-11-23T12:01:00Z"
