"""Parsing a SpeechPipeline: defaults, and the message for each invalid spec."""

import pytest
from pydantic import ValidationError

from cluster.pipelines import EXTERNAL, OFFICE, RIGHT, WRONG, Wrong, of_ollama, of_whisper, pipeline
from speechoperator.api import SpeechPipeline, format_validation_error

pytestmark = pytest.mark.unit


def error_of(spec: object, name: str = "calls") -> str:
    """The message for an invalid spec."""
    raw = pipeline(name=name) | {"spec": spec}
    with pytest.raises(ValidationError) as raised:
        SpeechPipeline.parse(raw, unknown="forbid")
    return format_validation_error(raised.value)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.title)
def test_an_invalid_spec_is_reported_with_path_and_message(wrong: Wrong) -> None:
    message = error_of(pipeline(wrong.spec)["spec"], wrong.name)

    assert message.startswith(wrong.fault)
    assert "; " not in message.removeprefix(wrong.fault), "one error, reported once"


@pytest.mark.parametrize("title", RIGHT)
def test_a_valid_spec_is_accepted(title: str) -> None:
    SpeechPipeline.parse(pipeline(RIGHT[title]), unknown="forbid")


def test_every_field_but_the_models_has_a_default() -> None:
    spec = SpeechPipeline.parse(pipeline()).spec

    assert not spec.suspend
    assert (spec.whisper.engine, spec.whisper.model, spec.whisper.gpus) == ("faster-whisper", "small", 0)
    assert (spec.whisper.cache.size, spec.ollama.cache.size) == ("10Gi", "50Gi")
    assert spec.whisper.cache.creates_pvc
    assert spec.whisper.cache.access_mode == "ReadWriteOnce"
    assert spec.whisper.cache.when_deleted == "Retain"
    assert (spec.whisper.scaling.min_replicas, spec.whisper.scaling.maximum) == (1, 1)
    assert spec.whisper.scaling.target_backlog is None, "it is derived from the startup time of a pod"
    assert (spec.whisper.scaling.idle_period, spec.scaling.mode, spec.scaling.gpu_budget) == ("5m", "Auto", None)
    assert (spec.ollama.parallel, spec.ollama.target_in_flight) == (4, 4)
    assert spec.ollama.model_names == ("llama3",)
    assert (spec.bridge.replicas, spec.bridge.maximum) == (2, 2)
    assert (spec.bridge.max_concurrent_requests, spec.bridge.request_timeout_seconds) == (50, 300)


def test_the_target_of_the_scaler_is_what_a_pod_processes_in_parallel_unless_it_is_set() -> None:
    for scaling, target in ({}, 8), ({"targetInFlight": 3}, 3):
        spec = SpeechPipeline.parse(pipeline(of_ollama(parallel=8, scaling=scaling))).spec

        assert spec.ollama.target_in_flight == target


def test_a_time_zone_that_does_not_exist_makes_no_spec_invalid() -> None:
    """CEL cannot look it up, so the API server admits it: the status reports it."""
    spec = SpeechPipeline.parse(pipeline({"scaling": {"schedules": [{**OFFICE, "timeZone": "Europe/Atlantis"}]}})).spec

    assert spec.scaling.schedules[0].time_zone == "Europe/Atlantis"


def test_an_empty_gpu_is_one_nvidia_gpu() -> None:
    whisper = SpeechPipeline.parse(pipeline(of_whisper(gpu={}))).spec.whisper

    assert whisper.gpu
    assert (whisper.gpus, whisper.gpu.resource_name) == (1, "nvidia.com/gpu")


def test_a_gpu_count_of_zero_runs_on_the_cpu() -> None:
    assert SpeechPipeline.parse(pipeline(of_whisper(gpu={"count": 0}))).spec.whisper.gpus == 0


@pytest.mark.parametrize(
    ("scaling", "maximum"), [({}, 1), ({"minReplicas": 0}, 1), ({"minReplicas": 3}, 3), ({"maxReplicas": 5}, 5)]
)
def test_the_maximum_of_replicas(scaling: dict[str, int], maximum: int) -> None:
    whisper = of_whisper(cache={"ephemeral": True}, scaling=scaling)

    assert SpeechPipeline.parse(pipeline(whisper)).spec.whisper.scaling.maximum == maximum


@pytest.mark.parametrize(
    ("cache", "creates_pvc", "single_node"),
    [
        ({}, True, True),
        ({"accessMode": "ReadWriteOncePod"}, True, True),
        ({"accessMode": "ReadWriteMany"}, True, False),
        ({"existingClaim": "mine"}, False, False),
        ({"ephemeral": True}, False, False),
        ({"nodePath": "/var/lib/weights"}, False, False),
        ({"image": "weights:1"}, False, False),
    ],
)
def test_which_caches_need_a_pvc_and_which_are_bound_to_one_node(
    cache: dict[str, object], *, creates_pvc: bool, single_node: bool
) -> None:
    found = SpeechPipeline.parse(pipeline(of_whisper(cache=cache))).spec.whisper.cache

    assert (found.creates_pvc, found.single_node) == (creates_pvc, single_node)


@pytest.mark.parametrize(
    ("fields", "ephemeral", "size"),
    [
        ({}, False, "50Gi"),
        ({"scaling": {"minReplicas": 0}}, False, "50Gi"),
        ({"scaling": {"maxReplicas": 2}}, True, "50Gi"),
        ({"scaling": {"maxReplicas": 2}, "cache": {"accessMode": "ReadWriteMany"}}, False, "50Gi"),
    ],
)
def test_without_a_cache_in_the_spec_several_replicas_have_one_each(
    fields: dict[str, object], *, ephemeral: bool, size: str
) -> None:
    storage = SpeechPipeline.parse(pipeline(of_ollama(**fields))).spec.ollama.storage

    assert (storage.ephemeral, storage.size) == (ephemeral, size)


def test_quantities_are_normalized() -> None:
    resources = {"requests": {"cpu": 2, "memory": "1024Mi"}, "limits": {"cpu": "2000m"}}
    whisper = SpeechPipeline.parse(pipeline(of_whisper(cache={"size": "1.5Gi"}, resources=resources))).spec.whisper

    assert whisper.cache.size == "1536Mi"
    assert whisper.resources
    assert whisper.resources.manifest() == {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"cpu": "2"}}


def test_variables_reach_the_pod_unchanged() -> None:
    given = {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}

    env = SpeechPipeline.parse(pipeline(of_whisper(env=[given]))).spec.whisper.env

    assert [variable.manifest() for variable in env] == [given]


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ({"containers": {"name": "whisper"}}, "containers: must be a list"),
        ({"containers": None, "volumes": [{}]}, "volumes[0].name: is required"),
        ({"containers": {"$patch": "delete"}}, "containers: must be a list"),
        ({"containers": [{"name": "whisper", "$patch": "delete"}]}, "containers[0]: the container whisper cannot be"),
        ({"$patch": "replace"}, "$patch: only fields of the pod can be deleted or replaced, not all of it"),
    ],
)
def test_a_pod_template_that_cannot_be_merged_is_rejected(spec: dict[str, object], error: str) -> None:
    """The API server does not know the content of a podTemplate: the operator rejects the spec."""
    found = error_of(pipeline(of_whisper(podTemplate={"spec": spec}))["spec"])

    assert found.startswith(f"spec.whisper.podTemplate.spec: {error}")


def test_all_errors_are_reported_at_once() -> None:
    spec = pipeline(of_whisper(url="http://asr", gpu={}), of_ollama(models=[], keepAlive="soon"))["spec"]

    assert error_of(spec).startswith(f"spec.whisper: {EXTERNAL} gpu; spec.ollama.models: list at least")
    assert error_of(spec).count("; spec.") == 2


def test_null_means_unset() -> None:
    raw = pipeline()
    raw["spec"] |= {"whisper": None, "suspend": None}
    raw["spec"]["ollama"] |= {"url": None, "gpu": None, "env": None}

    parsed = SpeechPipeline.parse(raw)

    assert parsed.spec == SpeechPipeline.parse(pipeline()).spec
    assert not parsed.spec.ollama.has("url", "gpu", "env")


def test_a_field_of_a_newer_crd_is_ignored() -> None:
    parsed = SpeechPipeline.parse(pipeline({"tracing": {"endpoint": "http://collector"}}))

    assert parsed.spec == SpeechPipeline.parse(pipeline()).spec


def test_metadata_of_the_api_server_is_no_unknown_field() -> None:
    raw = pipeline()
    raw["metadata"] |= {"namespace": "team", "uid": "1", "generation": 3, "managedFields": [], "labels": {"a": "b"}}

    parsed = SpeechPipeline.parse(raw, unknown="forbid")

    assert (parsed.name, parsed.namespace, parsed.metadata.uid, parsed.metadata.generation) == ("calls", "team", "1", 3)


@pytest.mark.parametrize("raw", [{}, {"spec": None}, {"metadata": "x", "spec": []}, {"metadata": {}, "spec": {}}])
def test_a_malformed_object_is_rejected(raw: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SpeechPipeline.parse(raw)


def test_an_object_of_another_kind_is_rejected() -> None:
    with pytest.raises(ValidationError) as raised:
        SpeechPipeline.parse(pipeline() | {"kind": "Deployment"})

    assert format_validation_error(raised.value) == "kind: input should be 'SpeechPipeline'"


def test_a_parsed_pipeline_is_immutable() -> None:
    parsed = SpeechPipeline.parse(pipeline())

    with pytest.raises(ValidationError, match="frozen"):
        parsed.spec.bridge.replicas = 3  # type: ignore[misc]
