"""Chart.yaml says what Artifact Hub shows, and no more than is true."""

import base64
from typing import Any

import pytest
import yaml

from generator import chart_metadata
from repository import ROOT
from speechlocal.paths import CHART
from speechoperator.api import SpeechPipeline, crd
from speechoperator.settings import Settings

pytestmark = pytest.mark.unit

PREFIX = "artifacthub.io/"
# Source: https://artifacthub.io/docs/topics/annotations/helm/
CATEGORIES = {
    *("ai-machine-learning", "database", "integration-delivery", "monitoring-logging", "networking", "security"),
    *("storage", "streaming-messaging", "skip-prediction"),
}
CAPABILITIES = {"basic install", "seamless upgrades", "full lifecycle", "deep insights", "auto pilot"}
CHANGELOG = """\
# Changelog

## 0.2.0 (2026-12-24)

### Added

- A change in
  two lines.
- Another one.

### Security

- A hole is closed.

### Internal

- Files are moved.

## 0.1.0 (2026-11-30)

### Fixed

- Something older.
"""


def chart() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text())
    return found


def annotation(name: str) -> Any:
    return yaml.safe_load(chart()["annotations"][f"{PREFIX}{name}"])


def test_the_facts_are_words_that_artifact_hub_knows() -> None:
    facts = {name.removeprefix(PREFIX): value for name, value in chart()["annotations"].items()}

    assert facts["category"] in CATEGORIES
    assert facts["operatorCapabilities"].lower() in CAPABILITIES
    assert facts["license"] in (ROOT / "pyproject.toml").read_text()
    assert facts["operator"] == "true"


def test_a_version_with_an_alpha_api_is_a_prerelease() -> None:
    alpha = "alpha" in crd.manifest()["spec"]["versions"][0]["name"]

    assert annotation("prerelease") is alpha


def test_the_images_are_those_that_the_operator_starts() -> None:
    listed = {one["name"].replace("-", "_"): one["image"] for one in annotation("images")}
    settings = Settings()

    for name, image in listed.items():
        if name != "operator":
            assert getattr(settings, f"{name}_image") == image
    assert listed["operator"] == listed["bridge"].replace("bridge", "operator")


def test_the_custom_resource_has_a_card_with_an_example_that_is_valid() -> None:
    [card], [example] = annotation("crds"), annotation("crdsExamples")

    assert (card["kind"], card["version"]) == (example["kind"], example["apiVersion"].partition("/")[2])
    assert SpeechPipeline.parse(example, unknown="forbid")


def test_the_icon_is_the_playgrounds() -> None:
    kind, _, content = chart()["icon"].partition(",")

    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(content).startswith(b"<svg ")


def test_a_repository_with_a_public_address_has_links() -> None:
    found = chart_metadata.artifact_hub("0.2.0", CHANGELOG, "https://git.example.com/speech/pipeline/")

    assert yaml.safe_load(found[f"{PREFIX}links"]) == [
        {"name": "Documentation", "url": "https://git.example.com/speech/pipeline/tree/HEAD/docs"},
        {"name": "support", "url": "https://git.example.com/speech/pipeline/issues"},
    ]
    assert f"{PREFIX}links" not in chart_metadata.artifact_hub("0.2.0", CHANGELOG)


def test_a_release_lists_its_changes_for_users() -> None:
    found = chart_metadata.artifact_hub("0.2.0", CHANGELOG)

    assert yaml.safe_load(found[f"{PREFIX}changes"]) == [
        {"kind": "added", "description": "A change in two lines."},
        {"kind": "added", "description": "Another one."},
        {"kind": "security", "description": "A hole is closed."},
    ]
    assert found[f"{PREFIX}containsSecurityUpdates"] == "true"
    older = chart_metadata.artifact_hub("0.1.0", CHANGELOG)
    assert yaml.safe_load(older[f"{PREFIX}changes"]) == [{"kind": "fixed", "description": "Something older."}]
    assert older[f"{PREFIX}containsSecurityUpdates"] == "false"


def test_before_a_release_nothing_is_said_about_changes() -> None:
    found = chart_metadata.artifact_hub("0.3.0", CHANGELOG)

    assert not {f"{PREFIX}changes", f"{PREFIX}containsSecurityUpdates"} & set(found)
