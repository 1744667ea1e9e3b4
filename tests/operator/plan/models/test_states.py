"""The state of each model: stage, progress, estimate and error."""

import pytest

from fakes.ollama_snapshots import MISSING, POD, VOLUME, decide, failed, has, ollama_pod, pulling
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
