"""What examples/speechpipeline.yaml and the chart's values take for granted of the local cluster."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from speechlocal import models, paths, versions
from speechlocal.cluster import addons, lifecycle, platform
from speechlocal.images import catalog
from speechlocal.offline import model_store

pytestmark = pytest.mark.unit


def objects(addon: str, kind: str) -> list[dict[str, Any]]:
    manifest = next(one.manifest for one in addons.ADDONS if one.name == addon)
    return [one for one in yaml.safe_load_all(manifest.read_text()) if one["kind"] == kind]


@pytest.fixture
def spec() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(paths.EXAMPLE.read_text())["spec"]
    return found


def test_its_whisper_image_is_one_that_is_built_here(spec: dict[str, Any]) -> None:
    dockerfile = (paths.REPOSITORY / catalog.IMAGES["whisper-tiny.en"].dockerfile).read_text()

    assert spec["whisper"]["image"] == catalog.tag("whisper-tiny.en")
    assert f"ENV WHISPER_MODEL={spec['whisper']['model']}\n" in dockerfile


def test_its_model_is_in_the_clusters_registry(spec: dict[str, Any]) -> None:
    (model,) = spec["ollama"]["models"]
    registry = next(one for one in objects("model-registry", "Service") if one["metadata"]["name"] == "model-registry")
    host = f"{registry['metadata']['name']}.{registry['metadata']['namespace']}.svc.cluster.local"
    repository = f"{host}:{registry['spec']['ports'][0]['port']}/{model_store.REPOSITORY}"

    assert model["name"] == models.LLM_NAME
    assert model["source"] in {f"{repository}:{tag}" for tag in model_store.TAGS}


def test_its_ingress_is_the_clusters(spec: dict[str, Any]) -> None:
    (ingress_class,) = objects("traefik", "IngressClass")

    assert spec["bridge"]["ingress"]["className"] == ingress_class["metadata"]["name"]
    assert spec["bridge"]["ingress"]["port"] == lifecycle.DEFAULT_PORT


def test_the_charts_ollama_is_the_one_that_the_cluster_is_given() -> None:
    default = yaml.safe_load((paths.CHART / "values.yaml").read_text())["images"]["ollama"]
    local = yaml.safe_load(platform.VALUES.read_text())["images"]["ollama"]

    assert default["tag"] == versions.OLLAMA
    assert f"{local['repository']}:{default['tag']}" == catalog.tag("ollama")
