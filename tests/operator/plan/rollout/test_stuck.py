"""Rollouts that Kubernetes has stopped: when the operator corrects their ReplicaSets."""

from datetime import timedelta
from typing import Any

import pytest

from fakes.planned_cluster import NOON
from speechoperator.kube.objects import Ref, format_time
from speechoperator.plan.actions import ResumeRollout
from speechoperator.plan.rollout.stuck import PATIENCE_S, resumption

pytestmark = pytest.mark.unit

REF = Ref("Deployment", "calls-whisper")
RESUMED = ResumeRollout(REF, "uid-1", 2), None
NOTHING = None, None


def deployment(spec: dict[str, Any] | None = None, step_s: float | None = 60, **status: Any) -> dict[str, Any]:
    """One with two old pods and no new one; the last step of its rollout was so many seconds ago."""
    steps = [] if step_s is None else [format_time(NOON - timedelta(seconds=step_s))]
    conditions = [{"type": "Progressing", "status": "True", "lastUpdateTime": step} for step in steps]
    return {
        "metadata": {"uid": "uid-1", "generation": 4},
        "spec": {"replicas": 2, **(spec or {})},
        "status": {"observedGeneration": 4, "replicas": 2, "conditions": conditions, **status},
    }


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(deployment(), RESUMED, id="old pods alone"),
        pytest.param(deployment(step_s=None), RESUMED, id="without a condition"),
        pytest.param(deployment(availableReplicas=0, unavailableReplicas=2), RESUMED, id="old pods that do not start"),
        pytest.param(deployment(updatedReplicas=1), NOTHING, id="a new pod"),
        pytest.param(deployment(updatedReplicas=2), NOTHING, id="complete"),
        pytest.param(deployment(replicas=1), NOTHING, id="an old pod was ended"),
        pytest.param(deployment(replicas=3), NOTHING, id="too many"),
        pytest.param(deployment(observedGeneration=3), NOTHING, id="not observed yet"),
        pytest.param(deployment({"paused": True}), NOTHING, id="paused"),
        pytest.param(deployment({"replicas": 0}, replicas=0), NOTHING, id="scaled to zero"),
        pytest.param(deployment(step_s=4), (None, PATIENCE_S - 4), id="just begun"),
        pytest.param(deployment(step_s=-3), (None, PATIENCE_S), id="a clock that is behind"),
    ],
)
def test_a_rollout_without_a_new_pod_is_continued(
    found: dict[str, Any], expected: tuple[ResumeRollout | None, float | None]
) -> None:
    assert resumption(REF, found, NOON) == expected


def test_a_deployment_that_was_just_created_has_stopped_nothing() -> None:
    assert resumption(REF, {"metadata": {"uid": "u", "generation": 1}, "spec": {}}, NOON) == NOTHING
