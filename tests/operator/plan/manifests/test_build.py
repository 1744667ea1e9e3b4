"""The manifests of a pipeline: golden files, and the rules behind them."""

import json
from dataclasses import replace
from typing import Any

import pytest

import goldens
from speechoperator.api import SpeechPipeline, labels
from speechoperator.plan.decisions import from_spec
from speechoperator.plan.manifests import build as manifests
from speechoperator.plan.models import model_list
from speechoperator.settings import Settings

pytestmark = pytest.mark.unit

Raw = dict[str, Any]

WITH_CUDA = {goldens.SETTINGS.whisper_gpu_image, goldens.SETTINGS.asr_webservice_gpu_image}
"""Images that hold NVIDIA's libraries; Ollama's is another, for CPUs as well."""


def build(spec: Raw, settings: Settings = goldens.SETTINGS, **decided: Any) -> dict[str, Any]:
    """The manifests, by `Kind/component`."""
    pipeline = parsed(spec)
    decisions = replace(from_spec(pipeline, settings), **decided)
    objects = manifests.build(pipeline, settings, decisions)
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
def test_the_manifests_are_those_of_the_golden_file(case: str) -> None:
    assert goldens.text(goldens.built(case)) == goldens.expected(case), "UPDATE_GOLDEN=1 rewrites it"


@pytest.mark.parametrize("component", ["whisper", "ollama"])
@pytest.mark.parametrize(
    "scaling",
    [
        {"minReplicas": 0, "maxReplicas": 1},
        {"minReplicas": 2, "maxReplicas": 5},
        {"minReplicas": 1, "maxReplicas": 2, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}},
    ],
)
def test_scaling_replaces_no_pods(component: str, scaling: Raw) -> None:
    cache = {"ephemeral": True}
    before = build({component: {"cache": cache}})[f"Deployment/{component}"]
    after = build({component: {"cache": cache, "scaling": scaling}})[f"Deployment/{component}"]

    assert after["spec"]["template"] == before["spec"]["template"]


@pytest.mark.parametrize("component", ["whisper", "ollama", "bridge"])
def test_a_pod_template_overrides_the_operator_and_the_other_fields(component: str) -> None:
    template = {
        "metadata": {"labels": {"queue": "gpu"}, "annotations": {"a": "template"}},
        "spec": {
            "securityContext": {"runAsUser": None},
            "priorityClassName": "high",
            "containers": [{"name": component, "tty": True}, {"name": "sidecar", "image": "x"}],
        },
    }
    fields = {"podAnnotations": {"a": "field", "b": "field"}, "priorityClassName": "low", "podTemplate": template}

    deployment = build({component: fields})[f"Deployment/{component}"]

    assert deployment["spec"]["template"]["metadata"]["labels"]["queue"] == "gpu"
    assert deployment["spec"]["template"]["metadata"]["annotations"].items() >= {"a": "template", "b": "field"}.items()
    assert "runAsUser" not in pod(deployment)["securityContext"]
    assert pod(deployment)["securityContext"]["runAsNonRoot"]
    assert pod(deployment)["priorityClassName"] == "high"
    assert [one["name"] for one in pod(deployment)["containers"]] == [component, "sidecar"]
    assert container(deployment)["tty"]
    assert container(deployment)["image"]


def test_all_objects_and_pods_inherit_labels_and_annotations() -> None:
    inherited = {"labels": {"team": "a"}, "annotations": {"owner": "b"}}
    bridge = {"ingress": {"host": "a.example", "annotations": {"owner": "c"}}}

    objects = build({"inheritedMetadata": inherited, "bridge": bridge})

    pods = [one["spec"]["template"] for one in objects.values() if one["kind"] == "Deployment"]
    assert len(pods) == 3
    for one in (*objects.values(), *pods):
        assert one["metadata"]["labels"]["team"] == "a"
        assert one["metadata"]["annotations"]["owner"] == ("c" if one.get("kind") == "Ingress" else "b")


def test_selectors_never_follow_labels_of_the_user() -> None:
    labels = {"labels": {"team": "a"}}
    spec = {"inheritedMetadata": labels, "whisper": {"podTemplate": {"metadata": labels}}}
    before, after = build({}), build(spec)

    for name, one in after.items():
        assert one.get("spec", {}).get("selector") == before[name].get("spec", {}).get("selector")
    assert after["NetworkPolicy/whisper"]["spec"] == before["NetworkPolicy/whisper"]["spec"]


def test_the_service_account_of_a_component_has_its_annotations() -> None:
    objects = build({"whisper": {"serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn"}}})

    assert objects["ServiceAccount/whisper"]["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": "arn"}
    assert "annotations" not in objects["ServiceAccount/ollama"]["metadata"]


def test_only_bridge_and_operator_reach_whisper_and_ollama_and_everyone_the_bridge() -> None:
    objects = build({})

    assert [rule.get("from") for rule in rules(objects, "bridge")] == [None]
    for component in ("whisper", "ollama"):
        [rule] = rules(objects, component)
        pods = [peer["podSelector"]["matchLabels"] for peer in rule["from"]]
        assert [labels.get("app.kubernetes.io/component") for labels in pods] == ["bridge", None]
        assert pods[1] == {"app.kubernetes.io/name": "speechpipeline-operator"}


INGRESS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "traefik"}}}
PROMETHEUS = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "prometheus"}}}


def test_clients_of_the_bridge_and_readers_of_metrics_can_be_chosen() -> None:
    objects = build({"networkPolicy": {"bridgeFrom": [INGRESS], "metricsFrom": [PROMETHEUS]}})

    assert rules(objects, "bridge")[0]["from"][1:] == [INGRESS, PROMETHEUS]
    for component in ("whisper", "ollama"):
        assert rules(objects, component)[0]["from"][2:] == [PROMETHEUS]
        assert rules(objects, component)[0]["ports"]


def test_readers_of_metrics_of_all_pipelines_count_where_the_spec_says_nothing_of_them() -> None:
    settings = goldens.SETTINGS.model_copy(update={"metrics_from": json.dumps([PROMETHEUS])})
    by_default = build({"networkPolicy": {"bridgeFrom": [INGRESS]}}, settings)
    own = build({"networkPolicy": {"metricsFrom": [INGRESS]}}, settings)
    none = build({"networkPolicy": {"metricsFrom": []}}, settings)

    assert rules(by_default, "bridge")[0]["from"][1:] == [INGRESS, PROMETHEUS]
    for component in ("whisper", "ollama"):
        assert rules(by_default, component)[0]["from"][2:] == [PROMETHEUS]
        assert rules(own, component)[0]["from"][2:] == [INGRESS]
        assert rules(none, component)[0]["from"][2:] == []
    assert "from" not in rules(build({}, settings), "bridge")[0], "everyone may"


def test_an_empty_list_of_clients_admits_the_operator_alone() -> None:
    """Kubernetes takes an empty `from` for all clients."""
    [rule] = rules(build({"networkPolicy": {"bridgeFrom": []}}), "bridge")

    [operator] = rule["from"]
    assert operator["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "speechpipeline-operator"}


ANNOTATED = goldens.SETTINGS.model_copy(update={"scrape_annotations": True})


def scrape(objects: Raw, component: str) -> dict[str, str]:
    """The annotations for Prometheus, without their prefix."""
    found = objects[f"Deployment/{component}"]["spec"]["template"]["metadata"].get("annotations", {})
    return {name.partition("/")[2]: value for name, value in found.items() if name.startswith("prometheus.io/")}


def test_prometheus_finds_pods_with_metrics_by_annotations_if_the_settings_say_so() -> None:
    objects = build({}, ANNOTATED)

    for component in ("bridge", "whisper"):
        (port,) = container(objects[f"Deployment/{component}"])["ports"]
        assert scrape(objects, component) == {"scrape": "true", "port": f"{port['containerPort']}", "path": "/metrics"}
    assert scrape(objects, "ollama") == {}


def test_no_service_is_annotated_as_prometheus_would_scrape_its_pods_again() -> None:
    services = [body for name, body in build({}, ANNOTATED).items() if name.startswith("Service/")]

    assert services
    assert all("annotations" not in service["metadata"] for service in services)


def test_pods_of_an_engine_without_metrics_are_not_annotated() -> None:
    objects = build({"whisper": {"engine": "asr-webservice"}}, ANNOTATED)

    assert scrape(objects, "whisper") == {}


def test_by_default_no_pod_is_annotated_for_prometheus() -> None:
    objects = build({})

    assert [scrape(objects, component) for component in ("bridge", "whisper", "ollama")] == [{}, {}, {}]


@pytest.mark.parametrize(
    "spec",
    [
        {"inheritedMetadata": {"annotations": {"prometheus.io/scrape": "false"}}},
        {"bridge": {"podAnnotations": {"prometheus.io/scrape": "false"}}},
        {"bridge": {"podTemplate": {"metadata": {"annotations": {"prometheus.io/scrape": "false"}}}}},
    ],
    ids=lambda spec: next(iter(spec.get("bridge", spec))),
)
def test_annotations_of_the_user_replace_those_for_prometheus(spec: Raw) -> None:
    assert scrape(build(spec, ANNOTATED), "bridge") == {"scrape": "false", "port": "8080", "path": "/metrics"}


def rules(objects: Raw, component: str) -> list[Raw]:
    found: list[Raw] = objects[f"NetworkPolicy/{component}"]["spec"]["ingress"]
    return found


def test_network_policies_can_be_disabled() -> None:
    assert not [name for name in build({"networkPolicy": {"enabled": False}}) if name.startswith("NetworkPolicy")]


def test_without_a_uid_manifests_have_no_owner() -> None:
    """`render FILE` prints manifests of pipelines that are in no cluster."""
    pipeline = SpeechPipeline.parse({"metadata": {"name": "p"}, "spec": {"ollama": {"models": [{"name": "llama3"}]}}})

    objects = manifests.build(pipeline, goldens.SETTINGS, from_spec(pipeline, goldens.SETTINGS))

    assert not [one for one in objects if "ownerReferences" in one["metadata"]]


@pytest.mark.parametrize("component", ["whisper", "ollama"])
def test_an_external_component_has_no_manifests(component: str) -> None:
    objects = build({component: {"url": "http://there:1"}})

    assert not [name for name in objects if name.split("/")[1].startswith(component)]
    assert objects["ConfigMap/bridge"]["data"][f"{component.upper()}_URL"] == "http://there:1"


def test_a_suspended_pipeline_keeps_its_pvcs_and_runs_no_pods() -> None:
    objects = build({"suspend": True, "bridge": {"scaling": {"maxReplicas": 3}}})

    assert {
        objects[f"Deployment/{component}"]["spec"]["replicas"] for component in ("whisper", "ollama", "bridge")
    } == {0}
    assert {"PersistentVolumeClaim/whisper", "PersistentVolumeClaim/ollama"} <= objects.keys()
    assert "HorizontalPodAutoscaler/bridge" not in objects


@pytest.mark.parametrize(("cache", "owners"), [({}, 0), ({"whenDeleted": "Retain"}, 0), ({"whenDeleted": "Delete"}, 1)])
def test_a_pvc_goes_with_its_pipeline_only_where_the_spec_says_so(cache: Raw, owners: int) -> None:
    claim = build({"ollama": {"cache": cache}})["PersistentVolumeClaim/ollama"]

    assert len(claim["metadata"].get("ownerReferences", [])) == owners


def test_argo_cd_does_not_prune_what_has_no_owner() -> None:
    claims = [one for name, one in build({}).items() if name.startswith("PersistentVolumeClaim/")]

    for claim in claims:
        assert claim["metadata"]["labels"]["app.kubernetes.io/instance"] == "p", "by which Argo CD may track"
        options = claim["metadata"]["annotations"]["argocd.argoproj.io/sync-options"]
        assert set(options.split(",")) == {"Prune=false", "Delete=false"}
    assert len(claims) == 2


def test_an_autoscaled_deployment_has_no_replicas() -> None:
    objects = build({"bridge": {"scaling": {"maxReplicas": 3}}})

    assert "replicas" not in objects["Deployment/bridge"]["spec"]
    assert objects["HorizontalPodAutoscaler/bridge"]["spec"]["maxReplicas"] == 3


def test_an_autoscaled_bridge_requests_enough_cpu_to_scale_on() -> None:
    resources = container(build({"bridge": {"scaling": {"maxReplicas": 3}}})["Deployment/bridge"])["resources"]

    assert resources["requests"]["cpu"] == "500m"


REPLACE_IN_PLACE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


@pytest.mark.parametrize(
    ("spec", "strategy"),
    [
        pytest.param({}, REPLACE_IN_PLACE, id="a single-node PVC"),
        pytest.param({"cache": {"accessMode": "ReadWriteOncePod"}}, REPLACE_IN_PLACE, id="a single-pod PVC"),
        pytest.param({"cache": {"ephemeral": True}}, SURGE, id="no PVC"),
        pytest.param({"cache": {"accessMode": "ReadWriteMany"}}, SURGE, id="a shared PVC"),
        pytest.param({"cache": {"existingClaim": "mine"}}, REPLACE_IN_PLACE, id="an existing PVC of any access mode"),
        pytest.param(
            {"cache": {"existingClaim": "mine"}, "scaling": {"maxReplicas": 2}},
            SURGE,
            id="an existing PVC for several replicas",
        ),
        pytest.param({"cache": {"ephemeral": True}, "gpu": {}}, REPLACE_IN_PLACE, id="one GPU and one replica"),
        pytest.param({"cache": {"ephemeral": True}, "gpu": {"count": 0}}, SURGE, id="a GPU count of zero"),
        pytest.param(
            {"cache": {"ephemeral": True}, "gpu": {}, "scaling": {"maxReplicas": 2}},
            REPLACE_IN_PLACE,
            id="several GPUs",
        ),
    ],
)
@pytest.mark.parametrize("name", ["whisper", "ollama"])
def test_a_new_pod_never_waits_for_the_volume_or_gpu_of_a_pod_that_serves(name: str, spec: Raw, strategy: Raw) -> None:
    assert build({name: spec})[f"Deployment/{name}"]["spec"]["strategy"] == strategy


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
def test_a_component_with_several_replicas_has_a_disruption_budget(spec: Raw, budgets: set[str]) -> None:
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
def test_a_change_of_the_bridge_restarts_neither_whisper_nor_ollama(change: Raw) -> None:
    before, after = build({}), build({"bridge": change})

    for name in before:
        if not name.endswith("/bridge"):
            assert after[name] == before[name]


@pytest.mark.parametrize(
    "change",
    [
        {"models": [{"name": "qwen3:4b"}, {"name": "llama3"}]},
        {"models": [{"name": "llama3", "keepAlive": "-1", "options": {"num_ctx": 8192}}]},
    ],
)
def test_the_models_and_their_options_restart_nothing(change: Raw) -> None:
    before, after = build({}), build({"ollama": change})

    for component in ("whisper", "ollama", "bridge"):
        assert after[f"Deployment/{component}"] == before[f"Deployment/{component}"]


@pytest.mark.parametrize("change", [{"minReplicas": 0}, {"targetInFlight": 9}])
def test_the_scaling_of_ollama_restarts_only_the_bridge(change: Raw) -> None:
    before, after = build({}), build({"ollama": {"scaling": change}})

    assert after["Deployment/ollama"]["spec"]["template"] == before["Deployment/ollama"]["spec"]["template"]
    assert after["Deployment/whisper"] == before["Deployment/whisper"]


@pytest.mark.parametrize("change", [{"whisper": {"model": "medium"}}, {"bridge": {"replicas": 7}}, {"suspend": True}])
def test_changes_that_are_no_settings_of_the_bridge_do_not_restart_it(change: Raw) -> None:
    before, after = build({}), build(change)

    assert after["Deployment/bridge"]["spec"]["template"] == before["Deployment/bridge"]["spec"]["template"]


def test_a_changed_setting_of_the_bridge_restarts_it() -> None:
    before, after = build({}), build({"bridge": {"maxConcurrentRequests": 7}})

    assert after["Deployment/bridge"]["spec"]["template"] != before["Deployment/bridge"]["spec"]["template"]


def test_the_bridge_offers_the_models_that_were_decided() -> None:
    spec = {"ollama": {"models": [{"name": "new"}, {"name": "llama3"}]}}

    assert model_list.names(build(spec)["ConfigMap/bridge-models"]) == ("new", "llama3")
    assert model_list.names(build(spec, models=("llama3",))["ConfigMap/bridge-models"]) == ("llama3",)


def test_pods_of_a_release_that_reads_no_file_find_the_models_in_their_environment() -> None:
    variables = build({"ollama": {"models": [{"name": "llama3", "options": {"top_p": 1}}]}})["ConfigMap/bridge"]["data"]

    assert variables["MODELS"] == "llama3"
    assert json.loads(variables["MODEL_OPTIONS"]) == {"llama3": {"options": {"top_p": 1}}}


def test_the_list_of_models_is_mounted_as_a_folder() -> None:
    """The kubelet never updates a `subPath`."""
    pod = build({})["Deployment/bridge"]["spec"]["template"]["spec"]
    (mount,) = (one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "model-list")
    (volume,) = (one for one in pod["volumes"] if one["name"] == "model-list")

    assert env(build({})["Deployment/bridge"])["MODELS_FILE"] == f"{mount['mountPath']}/models.json"
    assert "subPath" not in mount
    assert volume["configMap"]["name"] == "p-bridge-models"


def test_a_pipeline_on_the_cpu_uses_no_gpu_of_its_node() -> None:
    assert env(build({})["Deployment/ollama"])["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert "NVIDIA_VISIBLE_DEVICES" not in env(build({"ollama": {"gpu": {}}})["Deployment/ollama"])


def test_ollama_listens_on_ipv6_and_ipv4() -> None:
    assert env(build({})["Deployment/ollama"])["OLLAMA_HOST"] == ":11434"


def test_requests_that_carry_no_options_get_those_that_the_bridge_sends() -> None:
    """OpenAI's API has no field for them, and another context length would load the model again."""
    objects = build({"ollama": {"contextLength": 8192, "keepAlive": "-1"}})

    ollama, bridge = env(objects["Deployment/ollama"]), objects["ConfigMap/bridge"]["data"]
    assert ollama["OLLAMA_CONTEXT_LENGTH"] == bridge["CONTEXT_LENGTH"] == "8192"
    assert ollama["OLLAMA_KEEP_ALIVE"] == bridge["KEEP_ALIVE"] == "-1"
    assert env(build({})["Deployment/ollama"]).keys().isdisjoint({"OLLAMA_CONTEXT_LENGTH", "OLLAMA_KEEP_ALIVE"})


def test_parallel_requests_are_a_setting_of_ollama() -> None:
    assert env(build({})["Deployment/ollama"])["OLLAMA_NUM_PARALLEL"] == "4"
    assert env(build({"ollama": {"parallel": 7}})["Deployment/ollama"])["OLLAMA_NUM_PARALLEL"] == "7"


def test_the_service_of_the_bridge_can_suit_a_load_balancer() -> None:
    service = {"type": "NodePort", "annotations": {"cloud.google.com/neg": '{"ingress": true}'}}

    objects = build({"bridge": {"service": service}})

    assert objects["Service/bridge"]["spec"]["type"] == "NodePort"
    assert objects["Service/bridge"]["metadata"]["annotations"] == service["annotations"]
    assert "annotations" not in objects["Service/whisper"]["metadata"]
    assert build({})["Service/bridge"]["spec"]["type"] == "ClusterIP"


def test_services_have_addresses_of_both_families_where_the_cluster_has_them() -> None:
    services = [one for one in build({}).values() if one["kind"] == "Service"]

    assert {one["spec"]["ipFamilyPolicy"] for one in services} == {"PreferDualStack"}
    assert len(services) == 5


def test_variables_in_the_spec_override_those_of_the_operator() -> None:
    whisper = {"gpu": {}, "env": [{"name": "WHISPER_DEVICE", "value": "cpu"}]}

    variables = container(build({"whisper": whisper})["Deployment/whisper"])["env"]

    assert [one for one in variables if one["name"] == "WHISPER_DEVICE"] == [{"name": "WHISPER_DEVICE", "value": "cpu"}]


@pytest.mark.parametrize("suffix", ["whisper", "ollama"])
def test_gpus_become_a_limit_and_a_toleration_of_the_gpu_taint(suffix: str) -> None:
    resources = {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}

    deployment = build({suffix: {"gpu": {"count": 2}, "resources": resources}})[f"Deployment/{suffix}"]

    assert container(deployment)["resources"] == {
        "requests": {"cpu": "1"},
        "limits": {"memory": "1Gi", "nvidia.com/gpu": "2"},
    }
    assert pod(deployment)["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


@pytest.mark.parametrize(
    ("resource", "taint"),
    [
        ("nvidia.com/gpu", "nvidia.com/gpu"),
        ("nvidia.com/mig-1g.10gb", "nvidia.com/gpu"),
        ("nvidia.com/gpu.shared", "nvidia.com/gpu"),
        ("amd.com/gpu", "amd.com/gpu"),
        ("gpu.intel.com/i915", "gpu.intel.com/i915"),
    ],
)
def test_the_taint_of_a_gpu_node_is_its_vendors(resource: str, taint: str) -> None:
    deployment = build({"whisper": {"image": "x", "gpu": {"resourceName": resource}}})["Deployment/whisper"]

    assert container(deployment)["resources"]["limits"] == {resource: "1"}
    assert pod(deployment)["tolerations"] == [{"key": taint, "operator": "Exists", "effect": "NoSchedule"}]


TAINT = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
OTHER = {"key": "pool", "operator": "Exists"}


@pytest.mark.parametrize(
    ("given", "tolerations"),
    [
        ([TAINT], [TAINT]),
        ([OTHER, OTHER], [OTHER, TAINT]),
        ([{"operator": "Exists"}], [{"operator": "Exists"}]),
        ([{"key": "nvidia.com/gpu", "operator": "Exists"}], [{"key": "nvidia.com/gpu", "operator": "Exists"}]),
        ([{**TAINT, "effect": "NoExecute"}], [{**TAINT, "effect": "NoExecute"}, TAINT]),
        ([{"key": "nvidia.com/gpu", "value": "a"}], [{"key": "nvidia.com/gpu", "value": "a"}, TAINT]),
    ],
)
def test_no_taint_is_tolerated_twice(given: list[Raw], tolerations: list[Raw]) -> None:
    assert pod(build({"ollama": {"gpu": {}, "tolerations": given}})["Deployment/ollama"])["tolerations"] == tolerations


@pytest.mark.parametrize("engine", ["faster-whisper", "asr-webservice"])
def test_whisper_runs_an_image_with_cuda_where_it_has_gpus(engine: str) -> None:
    deployments = [build({"whisper": {"engine": engine, "gpu": {"count": count}}}) for count in (0, 1)]
    on_cpu, on_gpu = (container(one["Deployment/whisper"])["image"] for one in deployments)

    assert on_cpu not in WITH_CUDA
    assert on_gpu in WITH_CUDA


@pytest.mark.parametrize("case", goldens.CASES)
def test_what_is_told_to_use_cuda_has_an_image_with_it(case: str) -> None:
    own = goldens.pipeline(case).spec.whisper.image

    for deployment in (one for one in goldens.built(case) if one["kind"] == "Deployment"):
        told = {variable.get("value") for variable in container(deployment).get("env", ())}
        image = container(deployment)["image"]
        assert (image in WITH_CUDA) == ("cuda" in told) or image == own


def test_an_image_that_the_pipeline_names_serves_gpus_too() -> None:
    whisper = {"gpu": {}, "image": "registry.example.com/whisper:1"}

    assert container(build({"whisper": whisper})["Deployment/whisper"])["image"] == "registry.example.com/whisper:1"


@pytest.mark.parametrize("engine", ["faster-whisper", "asr-webservice"])
def test_whisper_pods_are_labelled_with_their_engine_whatever_their_image(engine: str) -> None:
    found = build({"whisper": {"engine": engine, "image": "registry.example.com/speech:1"}})

    assert found["Deployment/whisper"]["spec"]["template"]["metadata"]["labels"][labels.ENGINE] == engine
    assert labels.ENGINE not in found["Deployment/whisper"]["spec"]["selector"]["matchLabels"]
    assert labels.ENGINE not in found["Deployment/bridge"]["spec"]["template"]["metadata"]["labels"]


HOUR = 3600


@pytest.mark.parametrize(
    ("fields", "whisper_s", "bridge_s", "ollama_s"),
    [
        pytest.param({}, 4 * HOUR, 4 * HOUR + 600, 300, id="the longest audio, and the timeout"),
        pytest.param(
            {"env": [{"name": "MAX_AUDIO_SECONDS", "value": "900.5"}]}, 901, 1501, 300, id="another longest audio"
        ),
        pytest.param(
            {"env": [{"name": "MAX_AUDIO_SECONDS", "value": "long"}]}, 4 * HOUR, 4 * HOUR + 600, 300, id="no number"
        ),
        pytest.param({"drainTimeout": "1m30s"}, 90, 90, 90, id="as in the spec"),
    ],
)
def test_a_pod_has_time_to_finish_its_work(fields: Raw, whisper_s: int, bridge_s: int, ollama_s: int) -> None:
    objects = build({"whisper": fields, "ollama": fields, "bridge": {**fields, "requestTimeout": "10m"}})
    grace = {
        name: pod(objects[f"Deployment/{name}"])["terminationGracePeriodSeconds"]
        for name in ("whisper", "ollama", "bridge")
    }

    assert grace == {"whisper": whisper_s + 15, "ollama": ollama_s + 30, "bridge": bridge_s + 15}
    assert env(objects["Deployment/whisper"])["WHISPER_DRAIN_TIMEOUT"] == f"{whisper_s}"
    assert objects["ConfigMap/bridge"]["data"]["DRAIN_TIMEOUT"] == f"{bridge_s}"
    [_, _, script] = container(objects["Deployment/ollama"])["lifecycle"]["preStop"]["exec"]["command"]
    assert f"left={ollama_s}\n" in script


def test_a_rollout_that_waits_for_work_in_progress_has_not_failed() -> None:
    deployment = build({"whisper": {"drainTimeout": "2h"}})["Deployment/whisper"]

    assert deployment["spec"]["strategy"] == REPLACE_IN_PLACE
    assert deployment["spec"]["progressDeadlineSeconds"] > 2 * HOUR


def test_the_cluster_autoscaler_may_remove_nodes_with_pods_of_a_pipeline() -> None:
    shm = {"podTemplate": {"spec": {"volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}]}}}
    objects = build({"ollama": {"cache": {"ephemeral": True}}, "bridge": shm})
    key = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
    volumes = {
        name: objects[f"Deployment/{name}"]["spec"]["template"]["metadata"]["annotations"][key]
        for name in ("whisper", "ollama", "bridge")
    }

    assert volumes == {"whisper": "tmp", "ollama": "tmp,cache", "bridge": "tmp,shm"}


@pytest.mark.parametrize(("env", "limit"), [([], "3Gi"), ([{"name": "MAX_SPOOL_BYTES", "value": "5368709120"}], "6Gi")])
def test_the_spool_of_the_bridge_has_room_on_its_node_and_a_limit(env: list[Raw], limit: str) -> None:
    bridge = build({"bridge": {"env": env}})["Deployment/bridge"]

    assert {"name": "tmp", "emptyDir": {"sizeLimit": limit}} in pod(bridge)["volumes"]
    assert container(bridge)["resources"]["requests"]["ephemeral-storage"] == "1Gi"


@pytest.mark.parametrize(("timeout", "held"), [("10m", "120"), ("90s", "90"), ("1500ms", "1.5")])
def test_a_request_is_held_while_a_pod_restarts_but_not_beyond_its_timeout(timeout: str, held: str) -> None:
    data = build({"bridge": {"requestTimeout": timeout}})["ConfigMap/bridge"]["data"]

    assert (data["HOLD_TIMEOUT"], data["QUEUE_TIMEOUT"]) == (held, held)


@pytest.mark.parametrize(
    ("spec", "held"),
    [
        ({"whisper": {"scaling": {"minReplicas": 0}}}, "300"),
        ({"ollama": {"scaling": {"minReplicas": 0}}, "bridge": {"requestTimeout": "60s"}}, "300"),
        ({"whisper": {"scaling": {"minReplicas": 0}}, "bridge": {"holdTimeout": "10m"}}, "600"),
        ({"bridge": {"holdTimeout": "5s"}}, "5"),
    ],
)
def test_a_request_is_held_until_a_pod_has_started_from_zero(spec: Raw, held: str) -> None:
    assert build(spec)["ConfigMap/bridge"]["data"]["HOLD_TIMEOUT"] == held


VLLM: Raw = {
    "whisper": {"url": "https://asr", "auth": {"secretName": "asr"}},
    "ollama": {
        "url": "https://vllm",
        "protocol": "openai",
        "auth": {"secretName": "llm", "key": "token"},
        "ca": {"configMapName": "company-ca", "key": "root.pem"},
    },
}


def test_the_bridge_speaks_the_protocol_of_the_external_service() -> None:
    assert build(VLLM)["ConfigMap/bridge"]["data"]["GENERATOR"] == "openai"
    assert "GENERATOR" not in build({})["ConfigMap/bridge"]["data"]


def test_the_bridge_reads_its_api_keys_from_the_secrets() -> None:
    made = container(build(VLLM)["Deployment/bridge"])["env"]

    assert made[:2] == [
        {"name": "WHISPER_API_KEY", "valueFrom": {"secretKeyRef": {"name": "asr", "key": "api-key"}}},
        {"name": "LLM_API_KEY", "valueFrom": {"secretKeyRef": {"name": "llm", "key": "token"}}},
    ]


def test_a_variable_of_the_bridge_replaces_an_api_key() -> None:
    theirs = {"name": "LLM_API_KEY", "value": "x"}

    made = container(build({**VLLM, "bridge": {"env": [theirs]}})["Deployment/bridge"])["env"]

    assert [one for one in made if one["name"] == "LLM_API_KEY"] == [theirs]


def test_the_bridge_mounts_the_certificate_authorities_where_its_setting_says() -> None:
    made = build(VLLM)
    bridge = made["Deployment/bridge"]
    (volume,) = [one for one in pod(bridge)["volumes"] if one["name"] == "llm-ca"]
    (mount,) = [one for one in container(bridge)["volumeMounts"] if one["name"] == "llm-ca"]

    assert volume["configMap"] == {"name": "company-ca", "items": [{"key": "root.pem", "path": "ca.crt"}]}
    assert made["ConfigMap/bridge"]["data"]["LLM_CA_FILE"] == f"{mount['mountPath']}/ca.crt"


def fetch(deployment: Raw) -> Raw:
    (found,) = (one for one in pod(deployment)["initContainers"] if one["name"] == "fetch")
    return found


def cache(deployment: Raw) -> Raw:
    (found,) = (one for one in pod(deployment)["volumes"] if one["name"] == "cache")
    return found


def test_the_weights_are_fetched_before_whisper_starts() -> None:
    token = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}
    resources = {"limits": {"memory": "4Gi"}}

    deployment = build({"whisper": {"model": "medium", "env": [token], "gpu": {}, "resources": resources}})[
        "Deployment/whisper"
    ]

    found = fetch(deployment)
    assert found["image"] == container(deployment)["image"]
    assert found["args"][:3] == ["fetch", "medium", "--into=/cache"]
    assert token in found["env"]
    assert found["resources"] == resources  # a quota of the namespace needs limits, and a download no GPU
    assert found["securityContext"] == container(deployment)["securityContext"]


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"model": "/models/tiny.en"}, id="in the image of the server"),
        pytest.param({"engine": "asr-webservice"}, id="another server, which downloads them itself"),
        pytest.param({"cache": {"image": "weights:1"}}, id="in an image of their own"),
    ],
)
def test_weights_that_are_there_are_not_fetched(spec: Raw) -> None:
    assert "initContainers" not in pod(build({"whisper": spec})["Deployment/whisper"])


@pytest.mark.parametrize(
    "where",
    [
        pytest.param({}, id="a PVC"),
        pytest.param({"cache": {"existingClaim": "models"}}, id="an existing PVC"),
        pytest.param({"scaling": {"maxReplicas": 3}}, id="ephemeral"),
    ],
)
def test_the_server_of_an_image_in_the_spec_downloads_its_weights_itself(where: Raw) -> None:
    """It may be older than the command: an update of the operator must not break its pods."""
    deployment = build({"whisper": {"image": "registry.example.com/whisper:old", **where}})["Deployment/whisper"]

    assert "initContainers" not in pod(deployment)
    assert {"name": "cache", "mountPath": "/cache"} in container(deployment)["volumeMounts"]


def test_an_image_in_the_spec_fills_a_folder_of_the_node() -> None:
    spec = {"image": "registry.example.com/whisper:1", "cache": {"nodePath": "/var/lib/models"}}
    deployment = build({"whisper": spec})["Deployment/whisper"]

    assert fetch(deployment)["image"] == "registry.example.com/whisper:1"
    assert {"name": "cache", "mountPath": "/cache", "readOnly": True} in container(deployment)["volumeMounts"]


@pytest.mark.parametrize("component", ["whisper", "ollama"])
def test_models_in_an_image_are_mounted_read_only(component: str) -> None:
    objects = build({component: {"cache": {"image": "models:1"}, "scaling": {"maxReplicas": 2}}})

    deployment = objects[f"Deployment/{component}"]
    assert cache(deployment)["image"] == {"reference": "models:1", "pullPolicy": "IfNotPresent"}
    assert {"name": "cache", "mountPath": "/cache", "readOnly": True} in container(deployment)["volumeMounts"]
    assert f"PersistentVolumeClaim/{component}" not in objects


@pytest.mark.parametrize("component", ["whisper", "ollama"])
def test_a_folder_of_the_node_is_filled_by_root_and_used_without_privileges(component: str) -> None:
    objects = build({component: {"cache": {"nodePath": "/var/lib/models"}, "scaling": {"maxReplicas": 2}}})

    deployment = objects[f"Deployment/{component}"]
    assert cache(deployment)["hostPath"] == {"path": "/var/lib/models", "type": "DirectoryOrCreate"}
    (init,) = pod(deployment)["initContainers"]
    assert init["securityContext"]["runAsUser"] == 0
    assert init["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert "runAsUser" not in container(deployment)["securityContext"]
    read_only = {"name": "cache", "mountPath": "/cache", "readOnly": True} in container(deployment)["volumeMounts"]
    assert read_only == (component == "whisper")  # Ollama pulls its models itself


@pytest.mark.parametrize(
    ("whisper", "removes"),
    [
        ({}, False),
        ({"cache": {"unusedModels": "Keep"}}, False),
        ({"cache": {"unusedModels": "Remove"}}, True),
        ({"cache": {"unusedModels": "Remove", "accessMode": "ReadWriteMany"}, "scaling": {"maxReplicas": 3}}, True),
        ({"cache": {"unusedModels": "Remove", "ephemeral": True}}, False),
        (
            {
                "cache": {"unusedModels": "Remove"},
                "podTemplate": {
                    "spec": {"volumes": [{"name": "cache", "nfs": {"server": "files", "path": "/models"}}]}
                },
            },
            False,
        ),
    ],
    ids=str,
)
def test_weights_of_other_models_are_removed_only_from_a_pvc_of_the_operator(whisper: Raw, removes: bool) -> None:  # noqa: FBT001 - a table
    deployment = build({"whisper": whisper})["Deployment/whisper"]

    assert ("--remove-others" in fetch(deployment)["args"]) is removes


def test_several_replicas_without_a_cache_have_an_empty_dir_each() -> None:
    objects = build({"whisper": {"scaling": {"maxReplicas": 3}}})

    assert cache(objects["Deployment/whisper"])["emptyDir"] == {"sizeLimit": "10Gi"}
    assert "PersistentVolumeClaim/whisper" not in objects


def test_what_a_pod_template_adds_to_the_server_applies_to_the_fetch_too() -> None:
    mount = {"name": "ca", "mountPath": "/etc/company-ca", "readOnly": True}
    server = {
        "name": "whisper",
        "env": [{"name": "HF_ENDPOINT", "value": "https://hub.example.com"}],
        "envFrom": [{"secretRef": {"name": "hub"}}],
        "volumeMounts": [mount],
        "livenessProbe": {"periodSeconds": 60},
    }
    template = {"spec": {"containers": [server], "volumes": [{"name": "ca", "configMap": {"name": "company-ca"}}]}}

    found = fetch(build({"whisper": {"podTemplate": template}})["Deployment/whisper"])

    assert mount in found["volumeMounts"]
    assert len(found["volumeMounts"]) == 3
    assert found["envFrom"] == server["envFrom"]
    assert server["env"][0] in found["env"]  # type: ignore[index]
    assert "livenessProbe" not in found
