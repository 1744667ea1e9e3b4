"""The weights of Whisper: their progress in the status, and why they cannot be fetched."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.pipelines import of_whisper
from fakes.planned_cluster import WRITTEN_NOON, PlannedCluster, converged, verdict
from fakes.pod_statuses import terminated
from speechoperator.plan.snapshot import Fetch

pytestmark = pytest.mark.unit

Object = dict[str, Any]

TOTAL = 1_500_000_000
UNKNOWN = "Systran/nosuch at https://huggingface.co does not exist"


def container(state: Object, last: Object | None = None) -> Object:
    return {"name": "fetch", "ready": False, "state": state, "lastState": {"terminated": last} if last else {}}


RUNNING: Object = {"running": {"startedAt": WRITTEN_NOON}}
BACK_OFF: Object = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}


def starting(*containers: Object, replicas: int = 1) -> PlannedCluster:
    """A cluster whose Whisper pods have not got beyond their init containers."""
    scaling = {"scaling": {"minReplicas": replicas}, "cache": {"ephemeral": True}} if replicas > 1 else {}
    found = converged(of_whisper(model="medium", **scaling))
    for pod, one in zip(found.pods_of("whisper"), containers, strict=True):
        pod["status"] = {
            "phase": "Pending",
            "podIP": "10.0.0.9",
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {"type": "Initialized", "status": "False"},
                {"type": "ContainersReady", "status": "False"},
                {"type": "Ready", "status": "False"},
            ],
            "initContainerStatuses": [one],
            "containerStatuses": [
                {
                    "name": "whisper",
                    "ready": False,
                    "started": False,
                    "state": {"waiting": {"reason": "PodInitializing"}},
                }
            ],
        }
    found.settle()
    return found


def names(cluster: PlannedCluster) -> list[str]:
    return [pod["metadata"]["name"] for pod in cluster.pods_of("whisper")]


def model(cluster: PlannedCluster) -> Object:
    found: Object = cluster.plan().status["whisper"]["model"]
    return found


def test_a_download_is_reported_like_a_pull() -> None:
    cluster = starting(container(RUNNING))
    cluster.fetches[names(cluster)[0]] = Fetch("downloading", 503_000_000, TOTAL, 12_345_678.0)

    assert model(cluster) == {
        "name": "medium",
        "stage": "Pulling",
        "completedBytes": 495_000_000,  # 33 %
        "totalBytes": TOTAL,
        "bytesPerSecond": 12_000_000,
        "etaSeconds": 81,
    }
    assert verdict(cluster.plan(), "WhisperAvailable") == (
        "False",
        "WaitingForModels",
        "0 of 1 ready; waiting for its models",
    )


def summary(cluster: PlannedCluster) -> str:
    found: str = cluster.plan().status["whisper"]["summary"]
    return found


@pytest.mark.parametrize(
    ("fetch", "line"),
    [
        (Fetch("downloading", 503_000_000, TOTAL, 12_345_678.0), "0/1 33% 12MB/s 1m21s"),
        (Fetch("downloading", 1_297_000_000, TOTAL + 7, 0.0), "0/1 86%"),
        (Fetch("verifying", TOTAL, TOTAL, 0.0), "0/1 100%"),
        (None, "0/1 Pulling"),
    ],
)
def test_the_line_for_kubectl_has_percent_speed_and_time_left(fetch: Fetch | None, line: str) -> None:
    cluster = starting(container(RUNNING))
    cluster.fetches = {names(cluster)[0]: fetch} if fetch else {}

    assert summary(cluster) == line


def test_the_line_for_kubectl_says_that_a_download_failed_and_nothing_once_it_is_there() -> None:
    assert summary(starting(container(BACK_OFF, terminated(3, message=UNKNOWN)))) == "0/1 Failed"
    assert summary(converged(of_whisper(model="medium"))) == "1/1"


def test_what_is_unknown_is_left_out() -> None:
    assert model(starting(container(RUNNING))) == {"name": "medium", "stage": "Pulling"}


def test_the_status_stays_the_same_until_another_percent_is_done() -> None:
    cluster = starting(container(RUNNING))
    pod = names(cluster)[0]
    cluster.fetches[pod] = Fetch("downloading", 503_000_000, TOTAL, 12_345_678.0)
    cluster.raw["status"] = before = cluster.plan().status

    cluster.fetches[pod] = Fetch("downloading", 504_000_000, TOTAL, 9_876_543.0)
    assert cluster.plan().status == before

    cluster.fetches[pod] = Fetch("downloading", 511_000_000, TOTAL, 9_876_543.0)
    assert model(cluster)["completedBytes"] == 510_000_000
    assert model(cluster)["bytesPerSecond"] == 9_900_000


def test_a_long_download_is_no_fault() -> None:
    cluster = starting(container(RUNNING))
    cluster.later(3 * 3600)

    assert verdict(cluster.plan(), "WhisperAvailable")[1] == "WaitingForModels"


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(container(BACK_OFF, terminated(3, message=UNKNOWN)), id="waits for the next attempt"),
        pytest.param(container({"terminated": terminated(3, message=f"{UNKNOWN}\n")}), id="has just failed"),
        pytest.param(
            container({"terminated": terminated(3, message=f"downloading\nerror: {UNKNOWN}\n")}), id="from its log"
        ),
        pytest.param(container(RUNNING, terminated(3, message=UNKNOWN)), id="tries again, without progress yet"),
    ],
)
def test_a_download_that_fails_says_why(state: Object) -> None:
    cluster = starting(state)
    plan = cluster.plan()

    assert model(cluster) == {"name": "medium", "stage": "Failed", "message": UNKNOWN}
    status, reason, message = verdict(plan, "WhisperAvailable")
    assert (status, reason) == ("False", "PullFailed")
    assert message.endswith(f"pod {names(cluster)[0]}: the weights cannot be fetched: {UNKNOWN}")
    assert verdict(plan, "Ready")[1] == "PullFailed"


def test_an_attempt_that_gets_on_is_no_failure() -> None:
    cluster = starting(container(RUNNING, terminated(6, message="the hub cannot be reached")))
    cluster.fetches[names(cluster)[0]] = Fetch("downloading", 500_000_000, TOTAL, 1e6)

    assert model(cluster)["stage"] == "Pulling"
    assert verdict(cluster.plan(), "WhisperAvailable")[1] == "WaitingForModels"


def test_of_several_pods_the_slowest_download_counts() -> None:
    cluster = starting(container(RUNNING), container(RUNNING), container(RUNNING), replicas=3)
    first, second, third = names(cluster)
    cluster.fetches = {
        first: Fetch("downloading", TOTAL // 2, TOTAL),
        second: Fetch("downloading", TOTAL // 4, TOTAL),
        third: Fetch("waiting"),
    }

    assert model(cluster)["completedBytes"] == TOTAL // 4


def test_a_pod_that_waits_for_the_download_of_another_is_no_fault() -> None:
    cluster = starting(
        container(RUNNING), container(RUNNING, terminated(6, message="the hub cannot be reached")), replicas=2
    )
    first, second = names(cluster)
    cluster.fetches = {first: Fetch("downloading", TOTAL // 2, TOTAL, 1e6), second: Fetch("waiting")}
    cluster.later(3 * 3600)

    assert model(cluster)["stage"] == "Pulling"
    assert verdict(cluster.plan(), "WhisperAvailable")[1] == "WaitingForModels"


def test_a_pod_that_waits_for_none_of_the_pipeline_may_not_do_so_for_long() -> None:
    cluster = starting(container(RUNNING))
    cluster.fetches[names(cluster)[0]] = Fetch("waiting")

    assert model(cluster)["stage"] == "Pending"
    cluster.later(300)
    assert verdict(cluster.plan(), "WhisperAvailable")[1] == "Starting"
    cluster.later(600)
    assert verdict(cluster.plan(), "WhisperAvailable")[1] == "ProbeFailing"


def test_a_pod_that_waits_again_still_says_why_it_gave_up() -> None:
    locked = "/cache/.x.lock is locked, but its holder has shown no sign of life for 60 s"
    cluster = starting(container(RUNNING, terminated(1, message=locked)))
    cluster.fetches[names(cluster)[0]] = Fetch("waiting")

    assert model(cluster) == {"name": "medium", "stage": "Failed", "message": locked}
    assert verdict(cluster.plan(), "WhisperAvailable")[1] == "PullFailed"


def test_weights_are_ready_once_every_pod_has_them() -> None:
    done = container({"terminated": {"exitCode": 0, "reason": "Completed"}})

    assert model(starting(done)) == {"name": "medium", "stage": "Ready"}
    assert model(converged(of_whisper(model="medium"))) == {"name": "medium", "stage": "Ready"}
    assert model(starting(done, container({"waiting": {}}), replicas=2))["stage"] == "Pending"


def test_weights_that_nothing_fetches_are_not_reported() -> None:
    assert "model" not in converged(of_whisper(model="/models/tiny.en")).plan().status["whisper"]
    assert "model" not in converged({"suspend": True}).plan().status["whisper"]
