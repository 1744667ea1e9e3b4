"""The state of each model: stage, progress, estimate and error."""

from dataclasses import replace
from typing import Any

import pytest

from fakes.ollama_snapshots import MISSING, POD, VOLUME, decide, failed, has, ollama_pod, pulling
from speechoperator.kube.objects import Ref
from speechoperator.plan.models.summary import summary
from speechoperator.plan.snapshot import OllamaPod, Pull

pytestmark = pytest.mark.unit


def test_a_model_is_ready_only_if_every_pod_has_it() -> None:
    pods = (ollama_pod("a", pvc=None), ollama_pod("b", pvc=None))

    one = decide(pods=pods, answers={"a": has("llama3:latest"), "b": has()}).states[0]
    both = decide(pods=pods, answers={"a": has("llama3:latest"), "b": has("llama3")}).states[0]

    assert (one.stage, one.replicas_ready) == ("Pending", 1)
    assert (both.stage, both.replicas_ready) == ("Ready", 2)


def test_the_last_known_models_count_while_a_pod_is_unreachable() -> None:
    pods = (ollama_pod(),)

    state = decide(pods=pods, answers={POD: OllamaPod(reachable=False, detail="timeout")}).states[0]

    assert state.stage == "Ready"


def test_progress_is_that_of_the_slowest_pull() -> None:
    pods = (ollama_pod("a", pvc=None), ollama_pod("b", pvc=None))
    pulls = (
        pulling(volume="pod:a", completed=900, total=1000, rate=10),
        pulling(volume="pod:b", completed=500, total=1000, rate=10),
    )

    state = decide(pods=pods, answers={"a": has(), "b": has()}, pulls=pulls).states[0]

    assert (state.stage, state.completed, state.total, state.eta) == ("Pulling", 500, 1000, 50)


@pytest.mark.parametrize(
    ("left", "eta"),
    [(0, 0), (10.2, 11), (30, 30), (61, 65), (300, 300), (3601, 3630)],
    ids=lambda value: f"{value}",
)
def test_an_estimate_is_rounded_to_its_precision(left: float, eta: int) -> None:
    pull = pulling(completed=0, total=round(left * 1000), rate=1000) if left else pulling(completed=1, total=1, rate=1)

    assert decide(pods=(ollama_pod(),), answers={POD: has()}, pulls=(pull,)).states[0].eta == eta


@pytest.mark.parametrize("pull", [pulling(), pulling(total=10), pulling(rate=10), pulling(total=10, rate=float("nan"))])
def test_there_is_no_estimate_without_progress(pull: Pull) -> None:
    assert decide(pods=(ollama_pod(),), answers={POD: has()}, pulls=(pull,)).states[0].eta is None


def test_the_status_has_percent_speed_and_time_left() -> None:
    pull = pulling(completed=1_288_490_188, total=4_661_224_676, rate=16_106_127.3)

    (state,) = decide(pods=(ollama_pod(),), answers={POD: has()}, pulls=(pull,)).states

    assert (state.percent, state.rate, state.eta) == (27, 16_106_127, 210)
    assert summary([state]) == "0/1 llama3 27% 16MB/s 3m30s"


@pytest.mark.parametrize(
    ("pull", "line"),
    [
        pytest.param(pulling(), "0/1 llama3 Pulling", id="before the size is known"),
        pytest.param(pulling(completed=999, total=1000), "0/1 llama3 99%", id="before the speed has settled"),
        pytest.param(pulling(completed=1000, total=1000, verifying=True), "0/1 llama3 100% verifying", id="verifying"),
        pytest.param(failed(), "0/1 llama3 Failed", id="failed"),
        pytest.param(pulling(total=9_000_000_000, rate=1_500_000), "0/1 llama3 0% 1.5MB/s 1h40m", id="an hour"),
    ],
)
def test_the_line_for_kubectl_says_no_more_than_is_known(pull: Pull, line: str) -> None:
    assert summary(decide(pods=(ollama_pod(),), answers={POD: has()}, pulls=(pull,)).states) == line


def test_the_line_for_kubectl_counts_once_all_is_well() -> None:
    found = decide("llama3", "mistral", pods=(ollama_pod(),), answers={POD: has("llama3", "mistral")})

    assert summary(found.states) == "2/2"


PVC: dict[str, Any] = {"spec": {"resources": {"requests": {"storage": "10Gi"}}}}


@pytest.mark.parametrize(
    ("pvc", "total", "message"),
    [
        pytest.param(
            PVC,
            40_000_000_000,
            "needs 40 GB, PVC calls-ollama has 10Gi: increase ollama.cache.size, unless its driver ignores that",
            id="too large for what was asked for",
        ),
        pytest.param(
            PVC | {"status": {"capacity": {"storage": "20Gi"}}},
            22_000_000_000,
            "needs 22 GB, PVC calls-ollama has 20Gi: increase ollama.cache.size, unless its driver ignores that",
            id="too large for what was granted",
        ),
        pytest.param(PVC | {"status": {"capacity": {"storage": "40Gi"}}}, 40_000_000_000, "", id="it fits"),
        pytest.param(PVC, 0, "", id="unknown"),
    ],
)
def test_a_model_larger_than_its_pvc_is_pulled_and_reported(pvc: dict[str, Any], total: int, message: str) -> None:
    """NFS and node folders do not enforce the size of a PVC, so it may well fit."""
    objects = {Ref("PersistentVolumeClaim", "calls-ollama"): pvc}

    (state,) = decide(pods=(ollama_pod(),), answers={POD: has()}, pulls=(pulling(total=total),), objects=objects).states

    assert (state.stage, state.message) == ("Pulling", message)


def test_a_model_for_which_others_leave_no_room_on_the_pvc_is_reported() -> None:
    objects = {Ref("PersistentVolumeClaim", "calls-ollama"): PVC}
    answers = {POD: replace(has("qwen3:4b"), sizes={"qwen3:4b": 3_000_000_000})}
    pulls = (pulling(total=8_000_000_000),)

    (state, _) = decide(
        "llama3", "qwen3:4b", pods=(ollama_pod(),), answers=answers, pulls=pulls, objects=objects
    ).states

    assert state.message.startswith("needs 8.0 GB, PVC calls-ollama has 10Gi, of which other models take 3.0 GB: ")


def test_a_failure_has_the_error_of_ollama_and_advice() -> None:
    state = decide(pods=(ollama_pod(),), answers={POD: has()}, pulls=(failed(attempts=3),)).states[0]

    assert state.stage == "Failed"
    advice = "The registry has no model of this name"
    assert state.message == f"{MISSING}. {advice}. 3 failed attempts, next at 2026-11-23T12:00:20Z"


def test_a_retry_counts_as_failed_until_it_has_made_progress() -> None:
    retry = pulling(error=MISSING, attempts=2)

    assert decide(pods=(ollama_pod(),), answers={POD: has()}, pulls=(retry,)).states[0].stage == "Failed"


def test_a_pull_that_is_not_its_turn_says_what_it_waits_for() -> None:
    why = "waiting for the volume: pipeline other pulls qwen3:4b into it"

    (state,) = decide(pods=(ollama_pod(),), answers={POD: has()}, waiting={(VOLUME, "llama3"): why}).states

    assert (state.stage, state.message) == ("Pending", why)


def test_a_model_that_an_image_lacks_fails_and_is_not_pulled() -> None:
    cache = {"image": "registry.example.com/models:1"}

    planned = decide("llama3", "mistral", pods=(ollama_pod(pvc=None),), answers={POD: has("llama3")}, cache=cache)

    assert [state.stage for state in planned.states] == ["Ready", "Failed"]
    assert planned.states[1].message == "ollama.cache.image does not contain it: add it to the image"
    assert planned.pulls == ()
