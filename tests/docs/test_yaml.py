"""The YAML in the documentation is valid: specs and objects of ours, values of the chart, and what is marked."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts.helm import Helm
from charts.helm import program as cluster_program
from cluster.pipelines import pipeline
from documentation import Block, blocks
from installed import installed
from speechlocal import debian
from speechlocal.paths import CHART
from speechoperator.api import SpeechPipeline
from speechoperator.plan.decisions import from_spec
from speechoperator.plan.manifests.build import build
from speechoperator.settings import Settings

pytestmark = pytest.mark.unit

GROUP = "speechpipeline.dev/"
VALUES = frozenset(yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8")))
ALL = [block for block in blocks() if block.language == "yaml"]


def body(block: Block) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(block.text)
    return found


def is_pipeline(block: Block) -> bool:
    return set(body(block)) == {"spec"} or body(block).get("apiVersion", "").startswith(GROUP)


def is_values(block: Block) -> bool:
    return VALUES.issuperset(body(block))


PIPELINES = [block for block in ALL if is_pipeline(block)]
VALUE_FILES = [block for block in ALL if not is_pipeline(block) and is_values(block)]


def test_every_block_is_checked_here_or_marked() -> None:
    checked = {block.place for block in (*PIPELINES, *VALUE_FILES)}

    assert PIPELINES
    assert VALUE_FILES
    assert [block.place for block in ALL if block.place not in checked and not block.mark] == []


@pytest.mark.parametrize("block", PIPELINES, ids=lambda block: block.place)
def test_a_pipeline_is_valid_and_its_manifests_can_be_built(block: Block) -> None:
    raw = body(block)
    parsed = SpeechPipeline.parse(raw if "kind" in raw else pipeline(raw["spec"]), unknown="forbid")

    assert build(parsed, Settings(), from_spec(parsed, Settings()))


@pytest.mark.parametrize("block", VALUE_FILES, ids=lambda block: block.place)
def test_the_chart_takes_values(block: Block, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(block.text)

    assert Helm(cluster_program("helm")).objects("--values", values)


def test_prometheus_takes_the_relabelling_of_other_scrape_jobs(tmp_path: Path) -> None:
    (block,) = [block for block in ALL if "relabel_configs" in body(block)]
    job = {"job_name": "pods", **body(block)}
    config = tmp_path / "prometheus.yaml"
    config.write_text(yaml.safe_dump({"scrape_configs": [job]}))

    checked = subprocess.run(
        [installed("promtool", debian.PROMETHEUS), "check", "config", "--syntax-only", config],
        check=False,
        capture_output=True,
        text=True,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
