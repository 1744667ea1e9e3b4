"""Properties of the manifests of every pipeline."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechoperator.api import SpeechPipeline
from speechoperator.api.labels import MANAGED_BY, MANAGER, PIPELINE
from speechoperator.kube import quantities
from speechoperator.kube.drift import differs, stamped
from speechoperator.plan.decisions import from_spec
from speechoperator.plan.manifests.build import build
from speechoperator.settings import Settings

pytestmark = pytest.mark.unit

Object = dict[str, Any]

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)
WORDS = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
SIZES = st.sampled_from(["1Gi", "0.5Ti", "1e10", "1500M", "2.5Gi"])
COMMON = {
    "image": WORDS,
    "resources": st.fixed_dictionaries(
        {"requests": st.fixed_dictionaries({"cpu": st.sampled_from([0, 1, "250m"])}, optional={"memory": SIZES})},
        optional={"limits": st.dictionaries(st.sampled_from(["cpu", "memory"]), st.sampled_from(["2Ti", "3e12"]))},
    ),
    "env": st.lists(
        st.fixed_dictionaries(
            {"name": st.sampled_from(["HOME", "WHISPER_DEVICE", "OLLAMA_HOST", "OTHER"])},
            optional={"value": st.text("ab ", max_size=3)},
        ),
        unique_by=lambda variable: variable["name"],
    ),
    "nodeSelector": st.dictionaries(WORDS, WORDS, max_size=2),
    "tolerations": st.lists(
        st.fixed_dictionaries({"operator": st.just("Exists")}, optional={"key": WORDS}), max_size=2
    ),
    "affinity": st.sampled_from([{}, {"podAffinity": None}, {"nodeAffinity": {"x": [{"y": None}]}}]),
    "runtimeClassName": WORDS,
    "priorityClassName": WORDS,
    "podAnnotations": st.dictionaries(WORDS, st.text("ab", max_size=3), max_size=2),
    "podTemplate": st.sampled_from(
        [
            {"metadata": {"labels": {"a": "b"}}},
            {"spec": {"securityContext": {"runAsUser": None, "x": {"$patch": "delete"}}, "nodeSelector": {"c": "d"}}},
            {"spec": {"volumes": [{"name": "tmp", "hostPath": {"path": "/x"}}, {"name": "new", "emptyDir": {}}]}},
        ]
    ),
    "drainTimeout": st.sampled_from(["1s", "2h"]),
    "serviceAccountAnnotations": st.dictionaries(WORDS, WORDS, max_size=1),
    "imagePullSecrets": st.lists(st.fixed_dictionaries({"name": WORDS}), max_size=2, unique_by=lambda one: one["name"]),
}
GPUS = st.fixed_dictionaries(
    {}, optional={"count": st.integers(0, 8), "resourceName": st.just("nvidia.com/gpu.shared")}
)
SHARED = st.one_of(
    st.fixed_dictionaries({"ephemeral": st.sampled_from([True])}, optional={"size": SIZES}),
    st.fixed_dictionaries({"existingClaim": WORDS}),
    st.fixed_dictionaries({"nodePath": st.just("/var/lib/models")}),
    st.fixed_dictionaries({"image": st.just("models:1")}),
    st.fixed_dictionaries(
        {"accessMode": st.just("ReadWriteMany")},
        optional={"size": SIZES, "storageClassName": st.sampled_from(["", "fast"]), "whenDeleted": st.just("Retain")},
    ),
)
ALONE = st.fixed_dictionaries({}, optional={"size": SIZES, "accessMode": st.just("ReadWriteOncePod")})
REPLICAS = st.fixed_dictionaries({"minReplicas": st.integers(0, 3)}, optional={"maxReplicas": st.integers(3, 9)})


def serving(required: Object, optional: Object) -> st.SearchStrategy[Object]:
    here = {**COMMON, **optional, "gpu": GPUS}
    return st.one_of(
        st.fixed_dictionaries({**required, "url": st.just("http://there:1")}),
        st.fixed_dictionaries(required, optional={**here, "cache": ALONE}),
        st.fixed_dictionaries({**required, "cache": SHARED, "scaling": REPLICAS}, optional=here),
    )


MODELS = st.lists(st.fixed_dictionaries({"name": WORDS}), min_size=1, max_size=3, unique_by=lambda one: one["name"])
BRIDGES = st.fixed_dictionaries(
    {},
    optional={
        **COMMON,
        "replicas": st.integers(0, 5),
        "scaling": st.just({"maxReplicas": 5}),
        "requestTimeout": st.sampled_from(["1s", "1500ms", "1h30m"]),
        "ingress": st.fixed_dictionaries(
            {"host": WORDS}, optional={"className": WORDS, "tlsSecretName": WORDS, "annotations": st.just({"a": ""})}
        ),
        "apiKeys": st.just({"secretName": "keys"}),
    },
)
SPECS = st.fixed_dictionaries(
    {"ollama": serving({"models": MODELS}, {"contextLength": st.integers(256, 9999), "keepAlive": st.just("-1")})},
    optional={
        "whisper": serving({"engine": st.sampled_from(["faster-whisper", "asr-webservice"])}, {"model": WORDS}),
        "bridge": BRIDGES,
        "suspend": st.booleans(),
        "inheritedMetadata": st.just({"labels": {"e": "f"}, "annotations": {"g": ""}}),
        "networkPolicy": st.sampled_from(
            [{"enabled": False}, {"bridgeFrom": [{"podSelector": {}}], "metricsFrom": [{"ipBlock": {"cidr": "::/0"}}]}]
        ),
    },
)


FEW = settings(max_examples=50)


@st.composite
def pipelines(draw: st.DrawFn) -> SpeechPipeline:
    metadata = {"name": draw(NAMES), "namespace": draw(WORDS), "uid": "u-1"}
    return SpeechPipeline.parse({"metadata": metadata, "spec": draw(SPECS)}, unknown="forbid")


def built(pipeline: SpeechPipeline) -> tuple[Any, ...]:
    return build(pipeline, Settings(), from_spec(pipeline, Settings()))


@FEW
@given(pipelines())
def test_equal_pipelines_have_equal_manifests(pipeline: SpeechPipeline) -> None:
    again = SpeechPipeline.parse(pipeline.model_dump(mode="json", by_alias=True, exclude_unset=True))

    assert built(pipeline) == built(again)


@FEW
@given(pipelines())
def test_every_manifest_has_the_labels_and_owner_of_its_pipeline(pipeline: SpeechPipeline) -> None:
    objects = built(pipeline)

    assert len({(one["kind"], one["metadata"]["name"]) for one in objects}) == len(objects)
    for one in objects:
        metadata = one["metadata"]
        assert metadata["namespace"] == pipeline.namespace
        assert metadata["labels"][MANAGED_BY] == MANAGER
        assert metadata["labels"][PIPELINE] == pipeline.name
        assert len(metadata["name"]) <= 63
        if "ownerReferences" in metadata:
            assert [owner["uid"] for owner in metadata["ownerReferences"]] == ["u-1"]
        else:
            assert one["kind"] == "PersistentVolumeClaim"


@FEW
@given(pipelines())
def test_every_selector_matches_the_pods_of_one_component(pipeline: SpeechPipeline) -> None:
    objects = built(pipeline)
    pods = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for one in objects
        if one["kind"] == "Deployment"
    }

    for one in objects:
        selector = one.get("spec", {}).get("podSelector") or one.get("spec", {}).get("selector")
        if selector:
            wanted = selector.get("matchLabels", selector)
            found = [name for name, labels in pods.items() if wanted.items() <= labels.items()]
            assert found == [one["metadata"]["name"].removesuffix("-pods")]


@FEW
@given(pipelines())
def test_defaults_added_by_the_server_are_no_drift(pipeline: SpeechPipeline) -> None:
    for one in built(pipeline):
        assert differs(one, defaulted(stamped(one))) is None


@FEW
@given(pipelines())
def test_no_manifest_has_nulls(pipeline: SpeechPipeline) -> None:
    assert not has_null(built(pipeline))


@FEW
@given(pipelines(), BRIDGES)
def test_no_change_of_the_bridge_changes_whisper_or_ollama(pipeline: SpeechPipeline, bridge: Object) -> None:
    raw = pipeline.model_dump(mode="json", by_alias=True, exclude_unset=True)
    other = SpeechPipeline.parse({**raw, "spec": {**raw["spec"], "bridge": bridge}})

    assert serving_objects(other) == serving_objects(pipeline)


def serving_objects(pipeline: SpeechPipeline) -> list[Any]:
    name = f"{pipeline.name}-bridge"
    return [one for one in built(pipeline) if one["metadata"]["name"] != name]


def has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(has_null(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(has_null(item) for item in value)
    return value is None


def defaulted(one: Any) -> Any:
    """The object as an API server might return it: defaults added, empty fields dropped, quantities rewritten."""
    live = _without_empty(copy.deepcopy(one))
    live["status"] = {}
    live["metadata"] |= {"uid": "x", "resourceVersion": "1", "generation": 3}
    if live["kind"] == "Deployment":
        pod = live["spec"]["template"]["spec"]
        pod |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"}
        [container] = pod["containers"]
        container["terminationMessagePath"] = "/dev/termination-log"
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            container[probe] |= {"successThreshold": 1}
        for amounts in container.get("resources", {}).values():
            amounts |= {name: _in_millis(amount) for name, amount in amounts.items()}
        for variable in container.get("env", []):
            if variable.get("value") == "":
                del variable["value"]
    return live


def _in_millis(amount: str) -> str:
    return f"{int(quantities.value(amount) * 1000)}m"


def _without_empty(value: Any, field: str = "") -> Any:
    if isinstance(value, dict):
        kept = {key: _without_empty(item, key) for key, item in value.items()}
        meaningful = ("emptyDir", "podSelector")
        return {key: item for key, item in kept.items() if item not in ({}, []) or key in meaningful}
    return [_without_empty(item, field) for item in value] if isinstance(value, list) else value
