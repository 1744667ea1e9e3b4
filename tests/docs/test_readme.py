"""The README is true: its output, its pictures, and its thirty lines for a GPU cluster."""

from __future__ import annotations

import re

import pytest
import yaml

from repository import ROOT
from speechlocal import demo_output, paths
from speechlocal.cluster import dashboards, lifecycle
from speechoperator.api import SpeechPipeline
from speechoperator.plan.decisions import from_spec
from speechoperator.plan.manifests.build import build
from speechoperator.settings import Settings

pytestmark = pytest.mark.unit

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PRODUCTION = TEXT.partition("## Thirty lines for a GPU cluster\n")[2].partition("\n## ")[0]
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", PRODUCTION, re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"\bpictures/([\w-]+\.\w+)")
LARGEST_TOGETHER = 1_500_000


def pipeline() -> dict[str, object]:
    """The SpeechPipeline that the thirty lines apply."""
    (found,) = re.findall(r"<<EOF\n(.*?)^EOF$", COMMANDS[0], re.MULTILINE | re.DOTALL)
    body: dict[str, object] = yaml.safe_load(found)
    return body


def test_production_takes_thirty_lines_at_most() -> None:
    (commands,) = COMMANDS

    assert len(commands.splitlines()) <= 30


def test_the_pipeline_for_production_is_valid_and_has_what_production_needs() -> None:
    parsed = SpeechPipeline.parse(pipeline(), unknown="forbid")
    kinds = {one["kind"] for one in build(parsed, Settings(), from_spec(parsed, Settings()))}

    assert parsed.spec.bridge.api_keys
    assert {"Ingress", "HorizontalPodAutoscaler", "PersistentVolumeClaim"} <= kinds


def test_its_api_keys_are_those_of_the_secret_that_is_created() -> None:
    parsed = SpeechPipeline.parse(pipeline(), unknown="forbid")

    assert parsed.spec.bridge.api_keys is not None
    assert f"kubectl create secret generic {parsed.spec.bridge.api_keys.secret_name} " in COMMANDS[0]


def test_the_answer_of_the_demo_is_to_its_prompt() -> None:
    assert f"to the prompt: {demo_output.DEMO_PROMPT}" in TEXT


def test_the_addresses_are_those_of_the_local_cluster() -> None:
    host = yaml.safe_load(paths.EXAMPLE.read_text(encoding="utf-8"))["spec"]["bridge"]["ingress"]["host"]

    assert set(re.findall(r"http://([\w.]+localhost:\d+)", TEXT)) == {
        f"{one}:{lifecycle.DEFAULT_PORT}" for one in (host, dashboards.HOST)
    }


def test_the_path_of_a_request_is_the_tested_diagram() -> None:
    """Drawn by hand, it would keep what the code no longer does."""
    assert "](docs/images/diagrams/request.svg)" in TEXT
    assert re.findall("[\u2500-\u257f]", TEXT) == []


def test_each_picture_for_dark_pages_is_shown_with_the_one_for_light_pages() -> None:
    shown = PICTURE.findall(TEXT)
    dark = [name for name in shown if "-dark" in name]

    assert sorted(dark) == sorted(path.name for path in (ROOT / "docs" / "pictures").glob("*-dark.webp"))
    assert {name.replace("-dark", "-light") for name in dark} <= set(shown)


def test_pictures_exist_and_are_small() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    shown = {name for page in pages for name in PICTURE.findall(page.read_text(encoding="utf-8"))}
    folder = ROOT / "docs" / "pictures"

    assert shown
    assert [name for name in shown if not (folder / name).is_file()] == []
    assert sum(file.stat().st_size for file in folder.iterdir()) < LARGEST_TOGETHER
