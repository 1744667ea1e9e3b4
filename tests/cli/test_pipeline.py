"""What the plugin reads of a pipeline's status."""

import pytest

from cli.starting_pipeline import PULLING, WAITING, pipeline
from speechcli import pipeline as pipelines

pytestmark = pytest.mark.unit


def condition(kind: str, status: str, message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": "Said", "message": message}


def test_a_new_pipeline_has_an_empty_state() -> None:
    state = pipelines.state({"metadata": {"name": "speech", "generation": 1}})

    assert not state.ready
    assert state.unmet == ()


def test_ready_counts_only_for_the_spec_as_it_is_now() -> None:
    ready = [condition("Ready", "True")]

    assert pipelines.state(pipeline(conditions=ready)).ready
    assert not pipelines.state(pipeline(conditions=ready, observedGeneration=1)).ready


def test_the_weights_of_whisper_are_one_of_the_models() -> None:
    weights = {"name": "small", "stage": "Pulling", "completedBytes": 10, "totalBytes": 40, "etaSeconds": 3}
    state = pipelines.state(pipeline(whisper={"summary": "0/1 25% 3s", "model": weights}, models=[PULLING]))

    assert [(one.name, one.completed, one.eta_s) for one in state.models] == [
        ("Whisper small", 10, 3),
        ("smollm2:135m", 49_000_000, 3),
    ]
    assert [one.summary for one in state.components if one.name == "whisper"] == ["0/1"], "the model has the progress"


def test_the_canary_counts_once_it_has_succeeded() -> None:
    verified = condition("Verified", "True", "a spoken sentence was answered in less than 2 s")

    assert pipelines.state(pipeline(conditions=[condition("Verified", "Unknown")])).verified is None
    found = pipelines.state(pipeline(conditions=[verified])).verified
    assert found
    assert found.message == verified["message"]


def test_an_unmet_condition_is_listed_once() -> None:
    ready = condition("Ready", "False", "OllamaAvailable: 0/1 nodes: no GPU")
    state = pipelines.state(pipeline(conditions=[ready, WAITING, condition("Progressing", "False")]))

    assert [one.type for one in state.unmet] == ["OllamaAvailable"]


def test_ready_is_listed_if_it_is_the_only_unmet_condition() -> None:
    state = pipelines.state(pipeline(conditions=[condition("Ready", "False", "the spec is wrong")]))

    assert [one.message for one in state.unmet] == ["the spec is wrong"]
