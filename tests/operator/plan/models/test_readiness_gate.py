"""The readiness gate: which Ollama pods may receive requests."""

import pytest

from fakes.ollama_snapshots import POD, decide, has, ollama_pod
from speechoperator.plan.actions import SetGate
from speechoperator.plan.snapshot import OllamaPod

pytestmark = pytest.mark.unit

OPEN = ("True", "llama3:latest")


def test_the_gate_opens_with_all_models() -> None:
    found = decide("llama3", "qwen3:4b", pods=(ollama_pod(),), answers={POD: has("llama3:latest", "qwen3:4b")})

    message = "llama3:latest, qwen3:4b"
    assert found.gates == (SetGate(POD, ready=True, reason="ModelsPresent", message=message, uid=f"uid-{POD}"),)


def test_the_gate_stays_closed_while_a_model_is_missing() -> None:
    (gate,) = decide("llama3", "qwen3:4b", pods=(ollama_pod(),), answers={POD: has("llama3:latest")}).gates

    assert (gate.ready, gate.reason, gate.message) == (False, "ModelsMissing", "missing: qwen3:4b")


def test_an_up_to_date_gate_is_not_written() -> None:
    assert not decide(pods=(ollama_pod(gate=OPEN),), answers={POD: has("llama3:latest")}).gates


@pytest.mark.parametrize(
    ("gate", "since"),
    [
        (("True", "mistral:latest"), "2026-11-23T11:00:00Z"),
        (("False", "missing: llama3"), ""),
    ],
)
def test_the_time_of_the_last_transition_changes_with_the_status_alone(gate: tuple[str, str], since: str) -> None:
    pod = ollama_pod(gate=gate)
    for condition in pod["status"]["conditions"]:
        condition["lastTransitionTime"] = "2026-11-23T11:00:00Z"
    (update,) = decide(pods=(pod,), answers={POD: has("llama3:latest")}).gates

    assert update.ready
    assert update.since == since


def test_the_gate_stays_open_while_a_new_model_is_pulled() -> None:
    assert not decide("llama3", "new", pods=(ollama_pod(gate=OPEN),), answers={POD: has("llama3:latest")}).gates


def test_the_gate_stays_open_while_a_new_default_is_pulled() -> None:
    pods, answers = (ollama_pod(gate=OPEN),), {POD: has("llama3:latest")}

    found = decide("new", "llama3", pods=pods, answers=answers, offers=("llama3",))

    assert not found.gates
    assert found.offered == ("llama3",)


def test_the_gate_closes_when_the_default_is_gone() -> None:
    (gate,) = decide("llama3", pods=(ollama_pod(gate=OPEN),), answers={POD: has("other")}).gates

    assert not gate.ready


@pytest.mark.parametrize("answers", [{}, {POD: OllamaPod(reachable=False)}])
def test_without_an_answer_the_gate_is_not_changed(answers: dict[str, OllamaPod]) -> None:
    assert not decide(pods=(ollama_pod(gate=OPEN),), answers=answers).gates


def test_a_pod_without_the_gate_is_ignored() -> None:
    pod = ollama_pod()
    pod["spec"]["readinessGates"] = []

    assert not decide(pods=(pod,), answers={POD: has("llama3:latest")}).gates
