"""The parts of a cluster and its node image: what is written into them, by their own files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from speechlocal.cluster import addons
from speechlocal.containers import registries
from speechlocal.offline import kubernetes_images, model_store, node_image

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

STORAGE_SOURCE = """package nodeimage
const storageProvisionerImage = "docker.io/kindest/local-path-provisioner:v2025"
const defaultStorageManifest = `
image: ` + storageProvisionerImage + `
args: [--helper-image, ` + storageHelperImage + `]
`
"""


@pytest.fixture(params=[False, True], ids=["closed", "open"])
def answering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(registries, "answer", lambda: request.param)
    return bool(request.param)


def objects(part: addons.Part) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(part.manifest.read_text()))


def test_each_part_is_a_deployment_of_its_name_and_namespace() -> None:
    for part in addons.parts():
        deployments = [one for one in objects(part) if one["kind"] == "Deployment"]
        assert [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in deployments] == [
            (part.namespace, part.name)
        ]


def test_each_container_has_the_image_that_is_filled_in_and_never_pulls_what_is_there() -> None:
    for part in addons.parts():
        pod = next(one for one in objects(part) if one["kind"] == "Deployment")["spec"]["template"]["spec"]
        containers = [*pod.get("initContainers", []), *pod["containers"]]
        assert {container["image"] for container in containers} == {addons.IMAGE_PLACE}
        assert {container["imagePullPolicy"] for container in containers} == {"IfNotPresent"}


def test_what_can_be_pulled_is_not_made_here(answering: bool) -> None:  # noqa: FBT001 - a fixture
    names = {part.name for part in addons.made_here()}

    assert names == ({"model-registry"} if answering else {"model-registry", "traefik", "metrics-server"})


def test_the_ingress_takes_the_port_that_kind_maps() -> None:
    traefik = next(part for part in addons.parts() if part.name == "traefik")
    pod = next(one for one in objects(traefik) if one["kind"] == "Deployment")["spec"]["template"]["spec"]
    default = next(one for one in objects(traefik) if one["kind"] == "IngressClass")

    assert {"name": "web", "containerPort": 8000, "hostPort": 80} in pod["containers"][0]["ports"]
    assert default["metadata"]["annotations"] == {"ingressclass.kubernetes.io/is-default-class": "true"}


def test_a_model_is_kept_as_a_registry_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "weights.gguf").write_bytes(b"GGUF weights")
    digest = model_store.write(tmp_path / "models", tmp_path / "weights.gguf")
    root = tmp_path / "models/docker/registry/v2"

    def blob(one: str) -> bytes:
        algorithm, value = one.split(":")
        return (root / "blobs" / algorithm / value[:2] / value / "data").read_bytes()

    manifest = json.loads(blob(digest))
    assert blob(manifest["layers"][0]["digest"]) == b"GGUF weights"
    assert [len(blob(one["digest"])) for one in (manifest["config"], *manifest["layers"])] == [
        one["size"] for one in (manifest["config"], *manifest["layers"])
    ]
    repository = root / "repositories/library/smollm2"
    for tag in model_store.TAGS:
        assert (repository / "_manifests/tags" / tag / "current/link").read_text() == digest
    for one in (manifest["config"], *manifest["layers"]):
        assert (repository / "_layers" / one["digest"].replace(":", "/") / "link").read_text() == one["digest"]


def test_the_storage_class_has_the_images_made_here() -> None:
    manifest = yaml.safe_load(node_image.storage_manifest(STORAGE_SOURCE))

    assert manifest["image"] == kubernetes_images.LOCAL_PATH_PROVISIONER
    assert manifest["args"] == ["--helper-image", kubernetes_images.SHELL]


def test_containerd_gets_the_pause_image_made_here() -> None:
    config = 'sandbox_image = "registry.k8s.io/pause:3.10"\nrestrict_oom_score_adj = false\n'

    assert node_image.adapted(config) == (
        f'sandbox_image = "{kubernetes_images.PAUSE}"\nrestrict_oom_score_adj = true\n'
    )


def test_the_node_images_name_changes_with_what_goes_into_it() -> None:
    assert node_image.tag(["part:1"]) == node_image.tag(["part:1"])
    assert node_image.tag(["part:1"]) != node_image.tag(["part:2"])
