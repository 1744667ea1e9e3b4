"""Metrics about single pipelines, as Prometheus reads them."""

import copy
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from speechoperator.kube.objects import Key
from speechoperator.report.pipeline_families import FAMILIES
from speechoperator.report.pipeline_metrics import PipelineMetrics
from speechoperator.watch.store import Store

pytestmark = pytest.mark.unit

STATUS = {
    "whisper": {
        "desired": 2,
        "ready": 1,
        "backlogSeconds": 50,
        "model": {"name": "medium", "stage": "Pulling", "completedBytes": 3, "totalBytes": 4},
    },
    "bottleneck": "whisper",
    "ollama": {"summary": "external"},
    "bridge": {"desired": 2},
    "models": [
        {"name": 'odd"name\\', "stage": "Pulling", "completedBytes": 5, "totalBytes": 9},
        {"name": "llama3", "stage": "Ready", "replicasReady": 2, "memoryBytes": 8, "gpuBytes": 6},
    ],
    "conditions": [
        {"type": "Ready", "status": "False", "reason": "Starting"},
        {"type": "ModelsReady", "status": "Unknown", "reason": "WaitingForOllama"},
    ],
}


def pipeline(name: str = "p", version: int = 1, **spec: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "team", "uid": f"uid-{name}", "resourceVersion": str(version)}
    kind = {"apiVersion": "speechpipeline.dev/v1alpha1", "kind": "SpeechPipeline"}
    return {**kind, "metadata": meta, "spec": spec, "status": copy.deepcopy(STATUS)}


def store_with(*pipelines: dict[str, Any]) -> Store:
    store = Store()
    for body in pipelines:
        store.put(body)
    return store


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    """Name without its prefix and values of the labels -> value."""
    return {
        (sample.name.removeprefix("speechoperator_pipeline_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_the_status_of_each_pipeline_is_exposed() -> None:
    metrics = PipelineMetrics(store_with(pipeline()), "", lambda: True, {})

    assert samples(metrics.exposition()) == {
        ("condition", "team", "p", "Ready", "True"): 0,
        ("condition", "team", "p", "Ready", "False"): 1,
        ("condition", "team", "p", "Ready", "Unknown"): 0,
        ("condition", "team", "p", "ModelsReady", "True"): 0,
        ("condition", "team", "p", "ModelsReady", "False"): 0,
        ("condition", "team", "p", "ModelsReady", "Unknown"): 1,
        ("condition_reason", "team", "p", "Ready", "Starting"): 1,
        ("condition_reason", "team", "p", "ModelsReady", "WaitingForOllama"): 1,
        ("replicas_desired", "team", "p", "whisper"): 2,
        ("replicas_ready", "team", "p", "whisper"): 1,
        ("replicas_desired", "team", "p", "bridge"): 2,
        ("replicas_ready", "team", "p", "bridge"): 0,
        ("backlog_seconds", "team", "p"): 50,
        ("bottleneck", "team", "p", "whisper"): 1,
        ("gpus_requested", "team", "p", "whisper"): 0,
        ("model_completed_bytes", "team", "p", "whisper", "medium"): 3,
        ("model_total_bytes", "team", "p", "whisper", "medium"): 4,
        ("model_completed_bytes", "team", "p", "ollama", 'odd"name\\'): 5,
        ("model_total_bytes", "team", "p", "ollama", 'odd"name\\'): 9,
        ("model_replicas_ready", "team", "p", "llama3"): 2,
        ("model_memory_bytes", "team", "p", "llama3"): 8,
        ("model_gpu_bytes", "team", "p", "llama3"): 6,
    }


def test_gpus_are_those_of_the_desired_replicas() -> None:
    spec: dict[str, Any] = {"whisper": {"gpu": {"count": 3}}, "scaling": {"gpuBudget": 8}}

    found = samples(PipelineMetrics(store_with(pipeline(**spec)), "", lambda: True, {}).exposition())

    assert found["gpus_requested", "team", "p", "whisper"] == 6
    assert found["gpu_budget", "team", "p"] == 8


@pytest.mark.parametrize(
    "spec",
    [
        None,
        "speech",
        {"whisper": "medium", "scaling": 3},
        {"whisper": {"gpu": "all"}, "scaling": {"gpuBudget": "two"}},
        {"whisper": {"gpu": {"count": "2"}}},
    ],
)
def test_a_spec_that_an_older_definition_let_through_hides_no_other_pipeline(spec: Any) -> None:
    bad = {**pipeline("bad"), "spec": spec}
    if spec is None:
        del bad["spec"]

    found = samples(PipelineMetrics(store_with(bad, pipeline()), "", lambda: True, {}).exposition())

    assert found["condition", "team", "bad", "Ready", "False"] == 1
    assert found["condition", "team", "p", "Ready", "False"] == 1


def test_decisions_of_the_scaler_are_counters() -> None:
    decisions = {Key("team", "p"): {("whisper", "up", "Auto"): 4}}

    text = PipelineMetrics(store_with(), "", lambda: True, decisions).exposition()

    assert b"# TYPE speechoperator_pipeline_scaling_decisions_total counter" in text
    assert samples(text) == {("scaling_decisions_total", "team", "p", "whisper", "up", "Auto"): 4}


def test_each_family_is_described_once_and_its_samples_stand_together() -> None:
    text = PipelineMetrics(store_with(pipeline("a"), pipeline("b")), "", lambda: True, {}).exposition().decode()

    families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    order = [line.partition("{")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(families) == len(set(families)) == len(FAMILIES)
    assert order == sorted(order, key=families.index)


def test_without_pipelines_there_are_only_descriptions() -> None:
    assert samples(PipelineMetrics(Store(), "", lambda: True, {}).exposition()) == {}


def test_a_pipeline_without_a_status_has_no_samples() -> None:
    new = pipeline()
    del new["status"]
    assert samples(PipelineMetrics(store_with(new), "", lambda: True, {}).exposition()) == {}


def test_a_replica_on_standby_exposes_none() -> None:
    assert PipelineMetrics(store_with(pipeline()), "", lambda: False, {}).exposition() == b""


def test_the_pipelines_of_another_operator_are_not_exposed() -> None:
    store = store_with(pipeline("mine", **{"class": "gpu"}), pipeline("other"))

    found = samples(PipelineMetrics(store, "gpu", lambda: True, {}).exposition())

    assert {labels[2] for labels in found} == {"mine"}


def test_only_what_has_changed_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_with(pipeline("a"), pipeline("b"), pipeline("c"))
    metrics = PipelineMetrics(store, "", lambda: True, {})
    metrics.exposition()
    read: list[Key] = []
    original = store.pipeline
    monkeypatch.setattr(store, "pipeline", lambda key: read.append(key) or original(key))
    changed = pipeline("b", version=2)
    changed["status"]["whisper"]["ready"] = 2
    store.put(changed)
    store.remove(pipeline("c", version=3))

    found = samples(metrics.exposition())

    assert read == [Key("team", "b")]
    assert found["replicas_ready", "team", "b", "whisper"] == 2
    assert {labels[2] for labels in found} == {"a", "b"}
