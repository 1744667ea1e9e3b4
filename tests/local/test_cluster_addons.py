"""The add-ons of a cluster and its node image: what their own files say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from speechlocal.cluster import addons, kind
from speechlocal.containers import published, registries
from speechlocal.offline import image_recipes, kubernetes_images, model_store, node_image, provide

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


def objects(addon: addons.Addon) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(addon.manifest.read_text()))


def test_each_add_on_is_a_deployment_of_its_name_and_namespace() -> None:
    for addon in addons.ADDONS:
        deployments = [one for one in objects(addon) if one["kind"] == "Deployment"]
        assert [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in deployments] == [
            (addon.namespace, addon.name)
        ]


def test_each_container_has_the_image_placeholder_and_pulls_only_if_not_present() -> None:
    for addon in addons.ADDONS:
        pod = next(one for one in objects(addon) if one["kind"] == "Deployment")["spec"]["template"]["spec"]
        containers = [*pod.get("initContainers", []), *pod["containers"]]
        assert {container["image"] for container in containers} == {addons.IMAGE_PLACEHOLDER}
        assert {container["imagePullPolicy"] for container in containers} == {"IfNotPresent"}


def test_an_image_that_can_be_pulled_is_not_built_here(answering: bool) -> None:  # noqa: FBT001 - a fixture
    built = {addon.name for addon in addons.ADDONS if provide.is_built(addon.name)}

    ours = {"model-registry", "dashboards"}
    assert built == (ours if answering else {*ours, "traefik", "metrics-server"})
    assert [
        provide.tag(name) for name in ("traefik", "model-registry", "metrics-server", "dashboards") if name in built
    ] == (addons.built_images())


def test_the_published_image_is_used_where_it_can_be_pulled(answering: bool) -> None:  # noqa: FBT001 - a fixture
    for name in ("debian", "node", "traefik", "metrics-server"):
        assert (provide.tag(name) == published.IMAGES[name]) is answering
        assert (provide.tag(name) == image_recipes.RECIPES[name].tag()) is (name == "debian" or not answering)


def test_a_node_built_here_has_the_images_of_all_add_ons() -> None:
    assert set(image_recipes.PRELOADED) == {addon.name for addon in addons.ADDONS}


def test_the_ingress_takes_the_port_that_kind_maps() -> None:
    traefik = next(addon for addon in addons.ADDONS if addon.name == "traefik")
    pod = next(one for one in objects(traefik) if one["kind"] == "Deployment")["spec"]["template"]["spec"]
    default = next(one for one in objects(traefik) if one["kind"] == "IngressClass")

    assert {"name": "web", "containerPort": 8000, "hostPort": kind.INGRESS_PORT} in pod["containers"][0]["ports"]
    assert default["metadata"]["annotations"] == {"ingressclass.kubernetes.io/is-default-class": "true"}


def test_a_model_is_stored_as_a_registry_stores_it(tmp_path: Path) -> None:
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


def test_the_pod_network_has_the_image_made_here_and_the_queue_of_the_guard() -> None:
    [daemon] = [one for one in yaml.safe_load_all(node_image.cni_manifest()) if one["kind"] == "DaemonSet"]
    [container] = daemon["spec"]["template"]["spec"]["containers"]
    guard = (kubernetes_images.NODE_FILES / "guard-network").read_text()

    assert container["image"] == kubernetes_images.NETWORK_POLICIES
    assert container["image"] in kubernetes_images.tags(), "the node has it"
    [queue] = [one.partition("=")[2] for one in container["args"] if one.startswith("--nfqueue-id=")]
    assert f"--queue-num {queue} " in guard
    assert daemon["spec"]["template"]["spec"]["hostNetwork"]


def test_containerd_gets_the_pause_image_made_here() -> None:
    config = 'sandbox_image = "registry.k8s.io/pause:3.10"\nrestrict_oom_score_adj = false\n'

    assert node_image.containerd_config(config) == (
        f'sandbox_image = "{kubernetes_images.PAUSE}"\nrestrict_oom_score_adj = true\n'
    )


def test_the_node_images_name_changes_with_what_goes_into_it() -> None:
    assert node_image.tag(["addon:1"]) == node_image.tag(["addon:1"])
    assert node_image.tag(["addon:1"]) != node_image.tag(["addon:2"])
