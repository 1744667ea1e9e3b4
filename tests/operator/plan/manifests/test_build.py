"""What a pipeline becomes: golden files for all of it, and the rules behind them by name."""

from typing import Any

import pytest

import goldens
from speechoperator.api import SpeechPipeline
from speechoperator.plan.manifests import build as manifests
from speechoperator.plan.manifests.build import adopt_immutable_fields

pytestmark = pytest.mark.unit

Raw = dict[str, Any]


def build(spec: Raw, **keywords: Any) -> dict[str, Any]:
    """The objects, by `Kind/name without the pipeline's`."""
    objects = manifests.build(parsed(spec), goldens.SETTINGS, **keywords)
    return {f"{one['kind']}/{one['metadata']['name'].removeprefix('p-')}": one for one in objects}


def parsed(spec: Raw) -> SpeechPipeline:
    ollama = {"models": [{"name": "llama3"}], **spec.get("ollama", {})}
    return SpeechPipeline.parse({"metadata": {"name": "p", "uid": "u"}, "spec": {**spec, "ollama": ollama}})


def pod(deployment: Raw) -> Raw:
    spec: Raw = deployment["spec"]["template"]["spec"]
    return spec


def container(deployment: Raw) -> Raw:
    only: Raw = pod(deployment)["containers"][0]
    return only


def env(deployment: Raw) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in container(deployment)["env"]}


@pytest.mark.parametrize("case", goldens.CASES)
def test_a_pipeline_becomes_these_objects(case: str) -> None:
    assert goldens.text(goldens.built(case)) == goldens.expected(case), "UPDATE_GOLDEN=1 writes them anew"


def test_without_a_uid_nothing_has_an_owner() -> None:
    """`render FILE` prints what a pipeline would become that is not in a cluster."""
    pipeline = SpeechPipeline.parse({"metadata": {"name": "p"}, "spec": {"ollama": {"models": [{"name": "llama3"}]}}})

    objects = manifests.build(pipeline, goldens.SETTINGS)

    assert not [one for one in objects if "ownerReferences" in one["metadata"]]


@pytest.mark.parametrize("part", ["whisper", "ollama"])
def test_what_a_url_replaces_is_not_built(part: str) -> None:
    objects = build({part: {"url": "http://there:1"}})

    assert not [name for name in objects if name.split("/")[1].startswith(part)]
    assert objects["ConfigMap/bridge"]["data"][f"{part.upper()}_URL"] == "http://there:1"


def test_suspended_it_keeps_its_claims_and_runs_nothing() -> None:
    objects = build({"suspend": True, "bridge": {"scaling": {"maxReplicas": 3}}})

    assert {objects[f"Deployment/{part}"]["spec"]["replicas"] for part in ("whisper", "ollama", "bridge")} == {0}
    assert {"PersistentVolumeClaim/whisper", "PersistentVolumeClaim/ollama"} <= objects.keys()
    assert "HorizontalPodAutoscaler/bridge" not in objects


def test_with_an_autoscaler_the_deployment_says_no_number() -> None:
    objects = build({"bridge": {"scaling": {"maxReplicas": 3}}})

    assert "replicas" not in objects["Deployment/bridge"]["spec"]
    assert objects["HorizontalPodAutoscaler/bridge"]["spec"]["maxReplicas"] == 3


def test_an_autoscaled_bridge_asks_for_cpu_worth_measuring_against() -> None:
    asked = container(build({"bridge": {"scaling": {"maxReplicas": 3}}})["Deployment/bridge"])["resources"]

    assert asked["requests"]["cpu"] == "500m"


RECREATE = {"type": "Recreate"}
OLD_FIRST = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
NEW_FIRST = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


@pytest.mark.parametrize(
    ("part", "strategy"),
    [
        pytest.param({}, RECREATE, id="a claim for one node"),
        pytest.param({"cache": {"accessMode": "ReadWriteOncePod"}}, RECREATE, id="a claim for one pod"),
        pytest.param({"cache": {"ephemeral": True}}, NEW_FIRST, id="no claim"),
        pytest.param({"cache": {"accessMode": "ReadWriteMany"}}, NEW_FIRST, id="a shared claim"),
        pytest.param({"cache": {"existingClaim": "mine"}}, RECREATE, id="a claim that may be for one node"),
        pytest.param(
            {"cache": {"existingClaim": "mine"}, "scaling": {"maxReplicas": 2}}, NEW_FIRST, id="a claim for several"
        ),
        pytest.param({"cache": {"ephemeral": True}, "gpu": {}}, RECREATE, id="one GPU and one replica"),
        pytest.param({"cache": {"ephemeral": True}, "gpu": {"count": 0}}, NEW_FIRST, id="no GPU after all"),
        pytest.param(
            {"cache": {"ephemeral": True}, "gpu": {}, "scaling": {"maxReplicas": 2}}, OLD_FIRST, id="several GPUs"
        ),
    ],
)
@pytest.mark.parametrize("name", ["whisper", "ollama"])
def test_a_new_pod_never_waits_for_what_the_old_one_holds(name: str, part: Raw, strategy: Raw) -> None:
    assert build({name: part})[f"Deployment/{name}"]["spec"]["strategy"] == strategy


@pytest.mark.parametrize(
    ("spec", "budgets"),
    [
        ({}, {"bridge"}),
        ({"bridge": {"replicas": 1}}, set()),
        ({"bridge": {"replicas": 1, "scaling": {"maxReplicas": 2}}}, {"bridge"}),
        (
            {
                "bridge": {"replicas": 0},
                "whisper": {"cache": {"ephemeral": True}, "scaling": {"minReplicas": 0, "maxReplicas": 2}},
                "ollama": {"cache": {"ephemeral": True}, "scaling": {"minReplicas": 2}},
            },
            {"whisper", "ollama"},
        ),
    ],
)
def test_a_part_that_may_have_several_pods_loses_one_at_a_time(spec: Raw, budgets: set[str]) -> None:
    objects = build(spec)

    assert {name.split("/")[1] for name in objects if name.startswith("PodDisruptionBudget")} == budgets


BRIDGE_CHANGES: list[Raw] = [
    {"replicas": 5},
    {"scaling": {"maxReplicas": 9}},
    {"maxConcurrentRequests": 1},
    {"requestTimeout": "1h"},
    {"ingress": {"host": "a.example"}},
    {"gateway": {"parentRef": {"name": "g"}, "host": "a.example"}},
    {"apiKeys": {"secretName": "keys"}},
    {"image": "other:1", "env": [{"name": "A", "value": "b"}], "podAnnotations": {"a": "b"}},
]


@pytest.mark.parametrize("change", BRIDGE_CHANGES)
def test_a_change_of_the_bridge_restarts_no_model(change: Raw) -> None:
    before, after = build({}), build({"bridge": change})

    for name in before:
        if not name.endswith("/bridge"):
            assert after[name] == before[name]


@pytest.mark.parametrize(
    "change",
    [
        {"models": [{"name": "qwen3:4b"}, {"name": "llama3"}]},
        {"contextLength": 8192},
        {"keepAlive": "-1"},
        {"scaling": {"minReplicas": 0}},
    ],
)
def test_what_requests_to_ollama_carry_themselves_restarts_only_the_bridge(change: Raw) -> None:
    before, after = build({}), build({"ollama": change})

    assert after["Deployment/ollama"]["spec"]["template"] == before["Deployment/ollama"]["spec"]["template"]
    assert after["Deployment/whisper"] == before["Deployment/whisper"]


@pytest.mark.parametrize("change", [{"whisper": {"model": "medium"}}, {"bridge": {"replicas": 7}}, {"suspend": True}])
def test_what_is_no_setting_of_the_bridge_does_not_restart_it(change: Raw) -> None:
    before, after = build({}), build(change)

    assert after["Deployment/bridge"]["spec"]["template"] == before["Deployment/bridge"]["spec"]["template"]


def test_a_setting_of_the_bridge_restarts_it() -> None:
    before, after = build({}), build({"bridge": {"maxConcurrentRequests": 7}})

    assert after["Deployment/bridge"]["spec"]["template"] != before["Deployment/bridge"]["spec"]["template"]


def test_the_bridge_offers_only_models_that_are_there() -> None:
    spec = {"ollama": {"models": [{"name": "new"}, {"name": "llama3"}]}}

    assert build(spec)["ConfigMap/bridge"]["data"]["MODELS"] == "new,llama3"
    assert build(spec, models=["llama3"])["ConfigMap/bridge"]["data"]["MODELS"] == "llama3"


def test_a_pipeline_on_the_cpu_takes_no_gpu_of_its_node() -> None:
    assert env(build({})["Deployment/ollama"])["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert "NVIDIA_VISIBLE_DEVICES" not in env(build({"ollama": {"gpu": {}}})["Deployment/ollama"])


def test_ollama_works_on_as_many_requests_as_a_pod_is_meant_to_have() -> None:
    deployment = build({"ollama": {"scaling": {"targetInFlight": 7}}})["Deployment/ollama"]

    assert env(deployment)["OLLAMA_NUM_PARALLEL"] == "7"


def test_the_users_variables_win() -> None:
    whisper = {"gpu": {}, "env": [{"name": "WHISPER_DEVICE", "value": "cpu"}]}

    variables = container(build({"whisper": whisper})["Deployment/whisper"])["env"]

    assert [one for one in variables if one["name"] == "WHISPER_DEVICE"] == [{"name": "WHISPER_DEVICE", "value": "cpu"}]


@pytest.mark.parametrize("suffix", ["whisper", "ollama"])
def test_a_gpu_is_a_limit_and_tolerates_the_taint_of_its_nodes(suffix: str) -> None:
    resources_given = {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}

    deployment = build({suffix: {"gpu": {"count": 2}, "resources": resources_given}})[f"Deployment/{suffix}"]

    assert container(deployment)["resources"] == {
        "requests": {"cpu": "1"},
        "limits": {"memory": "1Gi", "nvidia.com/gpu": "2"},
    }
    assert pod(deployment)["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


def test_a_pod_has_the_time_to_finish_what_it_is_at() -> None:
    objects = build({"bridge": {"requestTimeout": "10m"}})

    assert pod(objects["Deployment/bridge"])["terminationGracePeriodSeconds"] == 600 + 15
    assert objects["ConfigMap/bridge"]["data"]["DRAIN_TIMEOUT"] == "600"
    assert pod(objects["Deployment/whisper"])["terminationGracePeriodSeconds"] == 300 + 15
    assert env(objects["Deployment/whisper"])["WHISPER_DRAIN_TIMEOUT"] == "300"


@pytest.mark.parametrize(("timeout", "held"), [("10m", "120"), ("90s", "90"), ("1500ms", "1.5")])
def test_a_request_is_held_while_a_pod_restarts_but_never_past_its_deadline(timeout: str, held: str) -> None:
    data = build({"bridge": {"requestTimeout": timeout}})["ConfigMap/bridge"]["data"]

    assert (data["HOLD_TIMEOUT"], data["QUEUE_TIMEOUT"]) == (held, held)


def claim_with(size: str, phase: str = "Pending", **spec: Any) -> Raw:
    asked = {**spec, "resources": {"requests": {"storage": size}}}
    return {"kind": "PersistentVolumeClaim", "spec": asked, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("wanted", "there", "phase", "asked"),
    [
        pytest.param("10Gi", "20Gi", "Bound", "20Gi", id="a claim never shrinks"),
        pytest.param("1Ti", "20Gi", "Bound", "1Ti", id="it grows"),
        pytest.param("1Ti", "20Gi", "Pending", "20Gi", id="once there is a volume"),
    ],
)
def test_a_claim_is_asked_for_a_size_that_it_can_have(wanted: str, there: str, phase: str, asked: str) -> None:
    size = adopt_immutable_fields(claim_with(wanted), claim_with(there, phase))["spec"]["resources"]["requests"][
        "storage"
    ]

    assert size == asked


@pytest.mark.parametrize("wanted", [{}, {"storageClassName": "fast"}])
def test_a_claim_that_was_found_again_keeps_its_class_and_modes(wanted: Raw) -> None:
    live = {"accessModes": ["ReadWriteMany"], "storageClassName": "slow"}

    claim = adopt_immutable_fields(
        claim_with("1Gi", accessModes=["ReadWriteOnce"], **wanted), claim_with("1Gi", **live, volumeName="pv")
    )

    assert claim == claim_with("1Gi", **live)


@pytest.mark.parametrize(("there", "asked"), [({"replicas": 4}, {"replicas": 4}), ({"replicas": 0}, {}), ({}, {})])
def test_an_autoscaled_deployment_keeps_its_replicas(there: Raw, asked: Raw) -> None:
    deployment = {"kind": "Deployment", "spec": {}}

    assert adopt_immutable_fields(deployment, {"kind": "Deployment", "spec": there})["spec"] == asked


def test_any_other_object_is_asked_for_as_it_is_wanted() -> None:
    for one in goldens.built("full"):
        if one["kind"] != "PersistentVolumeClaim":
            assert adopt_immutable_fields(one, {"spec": {"replicas": 9}}) == one
