"""A spoken sentence passes through new pods before they are Ready, and then now and then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from cluster.pipelines import of_bridge, of_ollama, of_whisper, pipeline
from fakes.planned_cluster import PlannedCluster, condition, converged, verdict
from speechoperator.plan.conditions import verified as verified_condition
from speechoperator.plan.snapshot import Canary
from speechoperator.settings import Settings

if TYPE_CHECKING:
    from speechoperator.plan.actions import StartCanary

pytestmark = pytest.mark.unit

Spec = dict[str, Any]

URL = "http://calls-bridge.team.svc:8080"
INTERVAL = 600
KEPT = of_ollama(keepAlive="-1")


def serving(*changes: Spec) -> PlannedCluster:
    """A pipeline whose pods have just become available, and its status before that."""
    found = converged(*changes)
    found.settings = Settings()
    conditions = [one for one in found.raw["status"]["conditions"] if one["type"] not in {"Ready", "Verified"}]
    found.raw["status"] = {**found.raw["status"], "conditions": conditions}
    return found


def started(cluster: PlannedCluster) -> StartCanary:
    """Send the canary that the plan asks for."""
    plan = cluster.plan()
    cluster.raw["status"] = plan.status
    assert plan.canary
    cluster.canary = Canary(plan.canary.version, running=True)
    return plan.canary


def answered(cluster: PlannedCluster, **result: Any) -> None:
    """Answer it, and let the status be written."""
    assert cluster.canary
    cluster.canary = Canary(cluster.canary.version, ended=cluster.now, **result)
    cluster.raw["status"] = cluster.plan().status


GOOD: dict[str, Any] = {"whisper_s": 0.31, "llm_s": 0.7, "total_s": 1.01}


def verified(*changes: Spec) -> PlannedCluster:
    found = serving(*changes)
    started(found)
    answered(found, **GOOD)
    return found


def test_new_pods_become_ready_once_a_sentence_was_answered() -> None:
    cluster = serving()

    assert started(cluster).url == URL
    assert verdict(cluster.plan(), "Verified")[:2] == ("Unknown", "Verifying")
    assert verdict(cluster.plan(), "Ready")[:2] == ("False", "Verifying")
    assert condition(cluster.plan(), "Reconciling")["reason"] == "Verifying"
    assert cluster.plan().canary is None  # one is on its way

    answered(cluster, **GOOD)

    assert verdict(cluster.plan(), "Verified") == (
        "True",
        "Verified",
        (
            "a spoken sentence was answered in less than 2 s: speech recognition less than 0.5 s, "
            "language model less than 1 s"
        ),
    )
    assert verdict(cluster.plan(), "Ready")[:2] == ("True", "Ready")
    assert cluster.plan().canary is None


def test_a_failure_is_reported_and_holds_new_pods_for_a_while() -> None:
    cluster = serving()
    started(cluster)
    answered(cluster, error="the language model does not answer: out of memory")

    failed = ("False", "VerificationFailed", "a spoken sentence: the language model does not answer: out of memory")
    assert verdict(cluster.plan(), "Verified") == failed
    assert verdict(cluster.plan(), "Ready") == failed
    assert cluster.plan().requeue_after == 60

    cluster.later(60)
    assert cluster.plan().canary  # another try
    cluster.later(60)
    assert verdict(cluster.plan(), "Verified") == failed
    assert verdict(cluster.plan(), "Ready")[:2] == ("True", "Ready")


def test_pods_that_are_ready_stay_so_whatever_becomes_of_later_canaries() -> None:
    cluster = verified(KEPT)
    cluster.later(INTERVAL)
    started(cluster)
    answered(cluster, error="no answer within 60 s")

    assert verdict(cluster.plan(), "Verified")[:2] == ("False", "VerificationFailed")
    assert verdict(cluster.plan(), "Ready")[:2] == ("True", "Ready")


def test_a_canary_is_sent_once_in_each_interval() -> None:
    cluster = verified(KEPT)
    sent = []
    for second in range(0, 3 * INTERVAL, 10):
        if cluster.plan().canary:
            sent.append(second)
            started(cluster)
            answered(cluster, **GOOD)
        cluster.later(10)

    assert len(sent) == 3
    assert {after - before for before, after in pairwise(sent)} == {INTERVAL}


@pytest.mark.parametrize(
    ("fields", "called"),
    [
        ({}, False),
        ({"keepAlive": "5m"}, False),
        ({"keepAlive": "10m"}, False),
        ({"keepAlive": "11m"}, True),
        ({"keepAlive": "-1"}, True),
        ({"models": [{"name": "llama3", "keepAlive": "-1"}]}, True),
        ({"keepAlive": "-1", "models": [{"name": "llama3", "keepAlive": "5m"}]}, False),
    ],
)
def test_pods_that_were_verified_are_called_again_only_if_the_model_stays_loaded_anyway(
    fields: Spec,
    called: bool,  # noqa: FBT001
) -> None:
    cluster = verified(of_ollama(**fields))
    cluster.later(INTERVAL)

    assert bool(cluster.plan().canary) is called
    assert verdict(cluster.plan(), "Verified")[0] == "True"


def test_a_restarted_operator_does_not_call_pods_whose_model_would_be_loaded_for_it() -> None:
    cluster = verified()
    cluster.canary = None

    for _ in range(0, INTERVAL, 4):
        assert cluster.plan().canary is None
        cluster.later(4)


def test_new_pods_are_called_even_if_the_pipeline_stayed_ready() -> None:
    cluster = verified()
    assert cluster.canary
    cluster.canary = replace(cluster.canary, version="older")

    assert cluster.plan().canary


def test_the_wait_after_failures_doubles_up_to_the_interval() -> None:
    cluster = verified()
    assert cluster.canary
    cluster.canary = replace(cluster.canary, error="out of memory")
    waits = []
    for failures in range(1, 7):
        cluster.canary = replace(cluster.canary, ended=cluster.now, failures=failures)
        waits.append(cluster.plan().requeue_after)

    assert waits == [60, 120, 240, 480, 600, 600]


def test_without_an_answer_in_time_nothing_is_known() -> None:
    cluster = serving()
    started(cluster)
    answered(cluster, error="no answer within 180 s", timed_out=True, failures=1)

    message = "a spoken sentence: no answer within 180 s"
    assert verdict(cluster.plan(), "Verified") == ("Unknown", "VerificationFailed", message)
    assert verdict(cluster.plan(), "Ready") == ("False", "VerificationFailed", message)
    cluster.later(120)
    assert verdict(cluster.plan(), "Ready")[:2] == ("True", "Ready")
    cluster.raw["status"] = cluster.plan().status
    cluster.canary = None  # the operator is restarted
    assert verdict(cluster.plan(), "Verified") == ("Unknown", "VerificationFailed", message)


def test_times_of_the_same_magnitude_change_no_status() -> None:
    cluster = verified(KEPT)
    before = cluster.plan().status
    cluster.later(INTERVAL)
    started(cluster)
    answered(cluster, whisper_s=0.4, llm_s=0.9, total_s=1.9)

    assert cluster.plan().status == before


def until_a_canary_is_due(cluster: PlannedCluster) -> None:
    """Let the operator and all controllers work, and check that the pipeline is not ready before."""
    for _ in range(10):
        plan = cluster.step()
        if plan.canary:
            return
        assert verdict(plan, "Ready")[0] == "False"
        cluster.settle()


def test_other_pods_are_verified_again() -> None:
    cluster = verified()
    cluster.edit(pipeline(of_whisper(env=[{"name": "LOG_LEVEL", "value": "debug"}]))["spec"])

    until_a_canary_is_due(cluster)

    assert started(cluster).version
    assert verdict(cluster.plan(), "Verified")[1] == "Verifying"


DERIVED: Spec = {"name": "agent", "from": "llama3", "system": "Be brief."}


@pytest.mark.parametrize(
    "models",
    [
        pytest.param([DERIVED], id="replaced by a derived one"),
        pytest.param([{"name": "llama3"}, DERIVED | {"system": "Be polite."}], id="another definition"),
        pytest.param([{"name": "llama3", "options": {"num_ctx": 8192}}, DERIVED], id="options"),
        pytest.param([DERIVED, {"name": "llama3"}], id="another default"),
        pytest.param([{"name": "llama3"}, DERIVED, {"name": "mistral"}], id="added"),
    ],
)
@pytest.mark.parametrize("restarted", [False, True])
def test_other_models_are_verified_before_the_pipeline_is_ready(
    models: list[Spec],
    restarted: bool,  # noqa: FBT001
) -> None:
    cluster = verified(of_ollama(models=[{"name": "llama3"}, DERIVED]))
    if restarted:
        cluster.canary = None
    cluster.edit(pipeline(of_ollama(models=models))["spec"])

    until_a_canary_is_due(cluster)

    started(cluster)
    assert verdict(cluster.plan(), "Verified")[:2] == ("Unknown", "Verifying")
    assert verdict(cluster.plan(), "Ready")[:2] == ("False", "Verifying")
    answered(cluster, **GOOD)
    assert verdict(cluster.plan(), "Ready")[:2] == ("True", "Ready")
    assert cluster.plan().canary is None


def test_a_change_of_neither_pods_nor_models_is_not_verified() -> None:
    cluster = verified()
    cluster.edit(pipeline(of_bridge(ingress={"host": "a.example"}))["spec"])
    for _ in range(5):
        assert cluster.step().canary is None
        cluster.settle()

    assert verdict(cluster.plan(), "Verified")[:2] == ("True", "Verified")


def test_a_new_release_calls_no_pipeline_whose_pods_and_models_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may identify them by something else; all pipelines at once would not be ready."""
    cluster = verified()
    before = cluster.plan().status
    cluster.canary = None
    monkeypatch.setattr(verified_condition, "_version", lambda *_: "of another release")

    plan = cluster.plan()

    assert (plan.canary, plan.status) == (None, before)


def test_a_restarted_operator_keeps_the_verdict_and_calls_when_it_is_due() -> None:
    cluster = verified(KEPT)
    before = cluster.plan().status
    cluster.canary = None

    calls = []
    for second in range(INTERVAL):
        plan = cluster.plan()
        assert plan.status == before
        if plan.canary:
            calls.append(second)
        cluster.later(1)

    assert calls
    assert calls[-1] - calls[0] < 6


@pytest.mark.parametrize("component", [of_whisper, of_ollama])
def test_a_pipeline_that_scales_to_zero_is_called_only_when_its_pods_are_new(component: Any) -> None:
    cluster = verified(component(scaling={"minReplicas": 0}))
    cluster.later(10 * INTERVAL)

    plan = cluster.plan()
    assert plan.canary is None
    assert verdict(plan, "Verified")[0] == "True"


def test_a_failure_keeps_no_pipeline_from_scaling_to_zero() -> None:
    cluster = serving(of_whisper(scaling={"minReplicas": 0}))
    started(cluster)
    answered(cluster, error="no answer within 60 s")
    cluster.later(60)
    assert cluster.plan().canary  # Ready waits for it

    cluster.later(60)
    cluster.raw["status"] = cluster.plan().status
    cluster.later(10 * INTERVAL)

    assert verdict(cluster.plan(), "Ready")[0] == "True"
    assert cluster.plan().canary is None


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (of_bridge(apiKeys={"secretName": "keys"}), "KeysRequired"),
        (of_whisper(url="https://api.example.com"), "ExternalService"),
        (of_ollama(url="https://api.example.com"), "ExternalService"),
    ],
)
def test_a_pipeline_that_cannot_be_called_says_why_and_is_ready(spec: Spec, reason: str) -> None:
    cluster = converged()
    cluster.settings = Settings()
    cluster.edit(pipeline(spec)["spec"])

    plan = cluster.plan()

    assert plan.canary is None
    assert verdict(plan, "Verified")[:2] == ("Unknown", reason)
    assert verdict(plan, "Ready")[1] not in {"Verifying", "VerificationFailed"}


@pytest.mark.parametrize("spec", [{"verification": {"enabled": False}}, {"suspend": True}])
def test_no_canary_where_none_is_wanted(spec: Spec) -> None:
    cluster = serving(spec)

    plan = cluster.plan()

    assert plan.canary is None
    assert "Verified" not in {one["type"] for one in plan.status["conditions"]}
    assert verdict(plan, "Ready")[0] == "True"


def test_pods_that_are_not_available_are_not_called() -> None:
    cluster = serving()
    for pod in cluster.pods_of("whisper"):
        for one in pod["status"]["conditions"]:
            one["status"] = "False"
        pod["status"]["containerStatuses"][0]["ready"] = False
    cluster.settle()

    assert cluster.plan().canary is None


def test_a_result_of_other_pods_does_not_count() -> None:
    cluster = serving()
    canary = started(cluster)
    answered(cluster, **GOOD)
    assert cluster.canary
    cluster.canary = replace(cluster.canary, version="older", ended=cluster.now - timedelta(seconds=1))
    cluster.raw["status"]["conditions"] = []

    assert cluster.plan().canary == canary
