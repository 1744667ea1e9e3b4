"""The bill of materials of an image, from what its programs print; tests/e2e/test_images.py reads real images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cyclonedx.schema
import jsonschema_rs
import pytest

from speechlocal.containers import docker
from speechlocal.images import catalog, sbom
from speechlocal.images.building import Built

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.unit

TAG = catalog.tag("bridge")
DPKG = "base-files\t12.4+deb12u12\tamd64\npython3\t3.11.2-1+b1\tamd64\nlibstdc++6\t12.2.0-14\tamd64"
PYTHON = json.dumps([["aiohttp", "3.14.5", "Apache-2.0 AND MIT"], ["old", "1.0", "BSD License"], ["none", "2", ""]])
LABELS = {"org.opencontainers.image.description": "audio in, text out", "org.opencontainers.image.version": "0.1.0"}
SCHEMAS = Path(cyclonedx.schema.__file__).parent / "_res"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """An engine with one image; the commands it was given."""
    given: list[tuple[str, ...]] = []

    def answer(*arguments: str) -> str:
        given.append(arguments)
        if arguments[0] == "image":
            return json.dumps(LABELS)
        return DPKG if "--entrypoint=dpkg-query" in arguments else PYTHON

    monkeypatch.setattr(docker, "docker", answer)
    return given


def written(folder: Path) -> dict[str, Any]:
    [path] = sbom.write([Built(catalog.IMAGES["bridge"], "sha256:1", 1, changed=True, seconds=1.0)], folder / "sbom")
    assert path == folder / "sbom" / "bridge.cdx.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.usefixtures("engine")
def test_it_keeps_to_the_schema_of_cyclonedx(tmp_path: Path) -> None:
    names = ("bom-1.6.SNAPSHOT.schema.json", "spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json")
    bom, *others = (json.loads((SCHEMAS / name).read_text()) for name in names)
    base = bom["$id"].rpartition("/")[0]
    registry = jsonschema_rs.Registry([(f"{base}/{name}", one) for name, one in zip(names[1:], others, strict=True)])

    jsonschema_rs.validator_for(bom, registry=registry).validate(written(tmp_path))


@pytest.mark.usefixtures("engine")
def test_it_names_the_image_and_every_package_with_its_url(tmp_path: Path) -> None:
    found = written(tmp_path)

    assert found["metadata"]["component"].items() >= {"type": "container", "name": TAG.rpartition(":")[0]}.items()
    assert {one["purl"] for one in found["components"]} == {
        "pkg:deb/debian/base-files@12.4%2Bdeb12u12?arch=amd64&distro=bookworm",
        "pkg:deb/debian/python3@3.11.2-1%2Bb1?arch=amd64&distro=bookworm",
        "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14?arch=amd64&distro=bookworm",
        "pkg:pypi/aiohttp@3.14.5",
        "pkg:pypi/old@1.0",
        "pkg:pypi/none@2",
    }
    [root] = [one for one in found["dependencies"] if one["ref"] == TAG]
    assert len(root["dependsOn"]) == len(found["components"])


@pytest.mark.usefixtures("engine")
def test_licenses_are_as_the_distributions_name_them(tmp_path: Path) -> None:
    licenses: Mapping[str, Any] = {one["name"]: one.get("licenses") for one in written(tmp_path)["components"]}

    assert licenses["aiohttp"] == [{"expression": "Apache-2.0 AND MIT"}]
    assert licenses["old"] == [{"license": {"name": "BSD License"}}]
    assert licenses["none"] is None


def test_the_image_is_read_without_network_and_rights_to_write(engine: list[tuple[str, ...]], tmp_path: Path) -> None:
    written(tmp_path)

    for command in engine:
        if command[0] == "run":
            assert {"--network=none", "--read-only", "--rm"} <= set(command)
