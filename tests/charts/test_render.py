"""What the chart renders. `UPDATE_GOLDEN=1 pytest tests/charts` writes the golden files anew; read the difference."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts.helm import RECORDING, Helm, HelmError, hook, name_of, value_files, values
from speechlocal import versions
from speechlocal.images.catalog import project_version
from speechlocal.paths import CHART
from speechoperator.api import crd
from speechoperator.settings import Settings

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parent / "golden"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
DASHBOARDS = CHART / "files" / "dashboards"
TEST_SCRIPT = CHART / "files" / "ask.py"
EXTRA = "speech-extra"
"""The object that the user adds, in one of the files: it is rendered as it is given."""
NOT_IN_CI = {"global", "watchNamespace", "pipeline.spec"}
"""Values of a parent chart, a deprecated one that has a test here, and the spec, which the operator's tests cover."""


def shortened(rendered: str) -> str:
    """Without the script, the recording and the dashboards, which have files of their own."""
    for dashboard in sorted(DASHBOARDS.iterdir()):
        text = "".join(f"    {line}\n" for line in dashboard.read_text().splitlines())
        rendered = rendered.replace(text, f"    (files/dashboards/{dashboard.name})\n")
    script = "".join(f"    {line}\n" for line in TEST_SCRIPT.read_text().splitlines())
    assert script in rendered or "ask.py" not in rendered
    return RECORDING.sub("(files/recording.ogg)", rendered.replace(script, "    (files/ask.py)\n"))


@pytest.mark.parametrize("file", value_files(), ids=name_of)
def test_golden(helm: Helm, file: Path) -> None:
    rendered = shortened(helm.template("--values", file))
    golden = GOLDEN / f"{name_of(file)}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(rendered)

    assert golden.is_file(), "UPDATE_GOLDEN=1 writes it"
    assert rendered == golden.read_text()


@pytest.mark.parametrize("file", value_files(), ids=name_of)
def test_lint_finds_nothing(helm: Helm, file: Path) -> None:
    helm("lint", "--strict", "--kube-version", versions.KUBERNETES, "--values", file, CHART)


def test_definition_is_the_operators() -> None:
    assert (CHART / "crds" / "speechpipelines.yaml").read_text() == crd.render()


@pytest.mark.parametrize("file", value_files(), ids=name_of)
def test_every_object_has_the_standard_labels(helm: Helm, file: Path) -> None:
    wanted = {
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/part-of": "speechpipeline",
        "app.kubernetes.io/version": project_version(),
        "helm.sh/chart": f"speechpipeline-{project_version()}",
    }

    for body in helm.objects("--values", file):
        if body["metadata"]["name"] == EXTRA:
            continue
        labels = body["metadata"]["labels"]
        assert labels.items() >= wanted.items(), body["kind"]
        assert {"app.kubernetes.io/name", "app.kubernetes.io/instance"} <= set(labels), body["kind"]


LABEL_NAMED = {"Service", "Job", "Pod", "Deployment"}
"""Kinds whose names are, or end up in, names and labels of at most 63 characters."""


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("n" * 53, ()),
        ("n" * 46 + "-" + "n" * 6, ()),
        ("speech.v2", ()),
        ("speech", ("--set", f"nameOverride={'n' * 50}")),
        ("speech", ("--set", f"fullnameOverride={'n' * 63}")),
    ],
)
def test_long_names_stay_valid(helm: Helm, name: str, more: tuple[str, ...]) -> None:
    objects = helm.objects(*more, "--set", "crds.upgrade=true", name=name)

    services = [body["metadata"]["name"] for body in objects if body["kind"] == "Service"]
    assert services
    for service in services:
        assert re.fullmatch("[a-z]([-a-z0-9]{0,61}[a-z0-9])?", service), service
        assert service.endswith("-metrics")
    for body in objects:
        called = body["metadata"]["name"]
        limit = 63 if body["kind"] in LABEL_NAMED else 253
        assert len(called) <= limit, f"{body['kind']} {called}"
        assert re.fullmatch("[a-z0-9]([-.:a-z0-9]*[a-z0-9])?", called), f"{body['kind']} {called}"
    (asked,) = (body for body in objects if body["kind"] == "Pod")
    assert f"http://{services[0]}.voice.svc" in str(asked), "the test asks the Service of that name"


def test_the_pods_of_hooks_are_not_taken_for_the_operators(helm: Helm) -> None:
    objects = helm.objects("--values", values("pipeline"))
    [test] = [body for body in objects if body["kind"] == "Pod"]
    [deployment] = [body for body in objects if body["kind"] == "Deployment"]
    selector = deployment["spec"]["selector"]["matchLabels"]

    labels = test["metadata"]["labels"]

    assert (labels["app.kubernetes.io/name"], labels["app.kubernetes.io/component"]) == ("speechpipeline-test", "test")
    assert not selector.items() <= labels.items()


@pytest.mark.parametrize("name", ["pipeline", "external"])
def test_the_pipeline_is_what_the_values_say_and_its_defaults_are_those_of_the_definition(
    helm: Helm, name: str
) -> None:
    given = yaml.safe_load(values(name).read_text())["pipeline"]["spec"]

    spec = helm.one("SpeechPipeline", "--values", values(name))["spec"]

    assert spec == given


@pytest.mark.parametrize(("given", "gets"), [(None, "gpu"), ("other", "other")])
def test_the_pipeline_of_a_release_gets_the_class_of_its_operator(helm: Helm, given: str | None, gets: str) -> None:
    spec = ["--set", f"pipeline.spec.class={given}"] if given else []

    found = helm.one("SpeechPipeline", "--values", values("pipeline"), "--set", "operator.class=gpu", *spec)

    assert found["spec"]["class"] == gets


def test_operator_of_some_namespaces_has_permissions_there_only(helm: Helm) -> None:
    objects = helm.objects("--values", values("namespaced"))

    roles = [body for body in objects if body["kind"] == "ClusterRole"]
    assert [rule["resources"] for role in roles for rule in role["rules"]] == [["ingressclasses"]]
    for kind in ("Role", "RoleBinding"):
        found = {(body["metadata"]["namespace"], body["metadata"]["name"]) for body in objects if body["kind"] == kind}
        assert found == {
            ("calls", "speech-operator"),
            ("night", "speech-operator"),
            ("voice", "speech-operator-lease"),
        }
    assert setting(objects, "WATCH_NAMESPACES") == "calls,night"


def test_operator_without_any_cluster_role(helm: Helm) -> None:
    objects = helm.objects("--values", values("namespaced"), "--set", "rbac.ingressClasses=false")

    assert not [body for body in objects if body["kind"].startswith("ClusterRole")]


def test_earlier_value_of_one_namespace_still_works(helm: Helm) -> None:
    objects = helm.objects("--set", "watchNamespace=calls")

    assert {body["metadata"]["namespace"] for body in objects if body["kind"] == "Role"} == {"calls", "voice"}
    assert setting(objects, "WATCH_NAMESPACES") == "calls"


def test_readers_of_the_metrics_of_all_pipelines_are_passed_to_the_operator(helm: Helm) -> None:
    prometheus = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    objects = helm.objects("--set-json", f"metrics.from={json.dumps([prometheus])}")

    assert json.loads(setting(objects, "METRICS_FROM")) == [prometheus]
    assert setting(helm.objects(), "METRICS_FROM") == "[]"


def test_notes_say_what_keeps_prometheus_from_whisper(helm: Helm, tmp_path: Path) -> None:
    monitored = ("--set", "metrics.podMonitors.enabled=true")
    admitted = ("--set-json", 'metrics.from=[{"namespaceSelector": {}}]')

    assert "metrics.from" in notes(helm, tmp_path, *monitored)
    assert "metrics.from" not in notes(helm, tmp_path, *monitored, *admitted)
    assert "metrics.from" in notes(helm, tmp_path, "--set", "metrics.scrapeAnnotations=true")
    assert "metrics.from" not in notes(helm, tmp_path, "--set", "metrics.scrapeAnnotations=false")
    assert "metrics.from" in notes(helm, tmp_path), "without PodMonitors, pods are annotated"


def notes(helm: Helm, folder: Path, *arguments: str) -> str:
    """What Helm says after an installation; `helm template` does not, so they are a value in a copy of the chart."""
    chart = shutil.copytree(CHART, folder / "chart", dirs_exist_ok=True)
    text = (chart / "templates" / "NOTES.txt").read_text()
    copied = f'{{{{- define "notes" -}}}}{text}{{{{- end -}}}}\nsaid: {{{{ include "notes" . | toJson }}}}\n'
    (chart / "templates" / "notes.yaml").write_text(copied)
    rendered = helm("template", "speech", chart, "--show-only", "templates/notes.yaml", *arguments)
    return str(yaml.safe_load(rendered)["said"])


def setting(objects: list[dict[str, Any]], name: str) -> str:
    """The value of a setting of the operator."""
    [deployment] = [body for body in objects if body["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    [value] = [variable["value"] for variable in container["env"] if variable["name"] == name]
    return str(value)


def test_all_objects_have_the_common_labels_and_annotations(helm: Helm) -> None:
    objects = helm.objects("--values", values("mirror"))

    for body in objects:
        if body["metadata"]["name"] == EXTRA:
            assert "labels" not in body["metadata"]
            continue
        assert body["metadata"]["labels"]["cost-center"] == "42", body["kind"]
        assert body["metadata"]["labels"].get("app.kubernetes.io/name") != "mine", body["kind"]
        assert body["metadata"]["annotations"]["example.com/owner"] == "platform", body["kind"]
    assert any(body["metadata"]["name"] == EXTRA for body in objects)


def test_the_operators_pods_can_be_adapted(helm: Helm) -> None:
    template = helm.one("Deployment", "--values", values("mirror"))["spec"]["template"]
    [container] = template["spec"]["containers"]

    assert template["metadata"]["labels"]["team"] == "platform", "the pods' own labels win"
    assert template["spec"]["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"]["readOnlyRootFilesystem"] is False
    assert {"name": "ca", "configMap": {"name": "company-ca"}} in template["spec"]["volumes"]
    assert {"name": "ca", "mountPath": "/etc/company-ca", "readOnly": True} in container["volumeMounts"]


def test_the_operators_pods_are_spread_over_nodes_and_zones_unless_the_values_say_otherwise(helm: Helm) -> None:
    default = helm.one("Deployment")["spec"]["template"]["spec"]["topologySpreadConstraints"]
    given = helm.one("Deployment", "--values", values("mirror"))["spec"]["template"]["spec"]

    assert [one["topologyKey"] for one in default] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    assert [one["maxSkew"] for one in given["topologySpreadConstraints"]] == [2]


def test_the_pod_of_the_test_has_no_sidecar(helm: Helm) -> None:
    [pod] = [body for body in helm.objects("--values", values("pipeline")) if body["kind"] == "Pod"]

    assert pod["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"


@pytest.mark.parametrize("file", value_files(), ids=name_of)
def test_operator_may_not_delete_what_holds_data(helm: Helm, file: Path) -> None:
    roles = [body for body in helm.objects("--values", file) if body["kind"] in {"Role", "ClusterRole"}]

    rules = [rule for role in roles for rule in role["rules"]]
    assert not [
        rule for rule in rules if {"persistentvolumeclaims", "*"} & {*rule["resources"]} and "delete" in rule["verbs"]
    ]


def test_pipeline_outside_the_watched_namespaces_is_refused(helm: Helm) -> None:
    with pytest.raises(HelmError, match=r"created in namespace voice, but the operator .* manages only calls, night"):
        helm.template("--values", values("pipeline"), "--set", "watchNamespaces={calls,night}")


def test_missing_service_account_is_refused(helm: Helm) -> None:
    with pytest.raises(HelmError, match="name the ServiceAccount to use"):
        helm.template("--set", "serviceAccount.create=false")


def test_no_job_touches_the_definition_without_need(helm: Helm) -> None:
    assert {hook(body) for body in helm.objects()} == {"", "test"}


def test_default_images_are_the_operators_own(helm: Helm) -> None:
    (container,) = helm.one("Deployment")["spec"]["template"]["spec"]["containers"]
    given = {item["name"].lower(): item.get("value") for item in container["env"]}

    for name, field in Settings.model_fields.items():
        if name.endswith("_image"):
            assert given[name] == field.default, name


@pytest.mark.parametrize(
    ("given", "image"),
    [
        ("", "speechpipeline/whisper:0.1.0-cuda"),
        ("images.registry=registry.example.com", "registry.example.com/speechpipeline/whisper:0.1.0-cuda"),
        ("images.whisperGpu.tag=0.1.1-cuda", "speechpipeline/whisper:0.1.1-cuda"),
        (f"images.whisperGpu.digest={DIGEST}", f"speechpipeline/whisper@{DIGEST}"),
        ("images.whisper.tag=0.1.1", "speechpipeline/whisper:0.1.0-cuda"),
    ],
)
def test_the_image_for_gpus_is_named_like_all_images_and_by_default_ends_in_cuda(
    helm: Helm, given: str, image: str
) -> None:
    (container,) = helm.one("Deployment", "--set", given)["spec"]["template"]["spec"]["containers"]

    assert {"name": "WHISPER_GPU_IMAGE", "value": image} in container["env"]


def test_operator_is_told_only_what_it_knows(helm: Helm) -> None:
    (container,) = helm.one("Deployment")["spec"]["template"]["spec"]["containers"]

    assert {item["name"].lower() for item in container["env"]} <= set(Settings.model_fields)


def test_values_file_holds_every_value_of_the_schema() -> None:
    def missing(schema: dict[str, Any], values: object, path: str) -> list[str]:
        found = []
        for name, member in schema["properties"].items():
            if not isinstance(values, dict) or name not in values:
                found.append(f"{path}{name}")
            elif "properties" in member and f"{path}{name}" != "pipeline.spec" and values[name] != {}:
                found += missing(member, values[name], f"{path}{name}.")
        return found

    schema = json.loads((CHART / "values.schema.json").read_text())
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())

    assert missing(schema, defaults, "") == ["global"]


def alike(path: str) -> str:
    """The path of a value, the same for all images, which have the same members."""
    return re.sub(r"^images\.\w+\.", "images.*.", path)


def test_the_files_in_ci_change_every_value() -> None:
    def leaves(schema: dict[str, Any], path: str = "") -> set[str]:
        found = set()
        for name, member in schema["properties"].items():
            inner = f"{path}{name}"
            closed = "properties" in member and inner != "pipeline.spec"
            found |= leaves(member, f"{inner}.") if closed else {inner}
        return found

    def changed(given: dict[str, Any], defaults: dict[str, Any], path: str = "") -> set[str]:
        found = set()
        for name, value in given.items():
            inner, default = f"{path}{name}", defaults.get(name)
            if isinstance(value, dict) and isinstance(default, dict) and inner not in known:
                found |= changed(value, default, f"{inner}.")
            elif value != default:
                found.add(inner)
        return found

    known = leaves(json.loads((CHART / "values.schema.json").read_text()))
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())

    in_ci = set[str]().union(*(changed(yaml.safe_load(file.read_text()) or {}, defaults) for file in value_files()))

    assert {alike(path) for path in known - NOT_IN_CI} - {alike(path) for path in in_ci} == set()
