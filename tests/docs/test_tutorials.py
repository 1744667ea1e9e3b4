"""A tutorial can be typed as it stands: what its commands name exists, in the demo or in the local cluster."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest
import yaml

from repository import ROOT
from speechlocal import models, paths
from speechlocal.cluster import dashboards
from speechlocal.offline import model_store
from speechoperator.plan.conditions.reasons import Reason

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
ON_A_CLUSTER = "first-answer-on-a-cluster.md"
WITH_THE_DEMO = "from-the-demo-to-your-own-client.md"
FILE = re.compile(r"\b(?:examples|charts|local)/[\w./-]+\w")
MODEL = re.compile(r"smollm2:([\w.-]+)")
MISSING_ON_PURPOSE = "360m"


def page(name: str) -> str:
    return (ROOT / "docs" / "tutorials" / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(params=TUTORIALS, ids=lambda path: path.stem)
def commands(request: pytest.FixtureRequest) -> str:
    """What the reader types."""
    path: Path = request.param
    return "\n".join(blocks(path.read_text(encoding="utf-8"), "sh"))


def test_files_exist(commands: str) -> None:
    named = FILE.findall(commands)

    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_targets_of_make_exist(commands: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"^make ([\w-]+)", commands, re.MULTILINE)

    assert named
    assert [target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def test_requests_go_where_the_example_is_exposed() -> None:
    ingress = yaml.safe_load(paths.EXAMPLE.read_text(encoding="utf-8"))["spec"]["bridge"]["ingress"]

    assert set(re.findall(r"http://([\w.:]+)", page(ON_A_CLUSTER))) == {
        f"{host}:{ingress['port']}" for host in (ingress["host"], dashboards.HOST)
    }


def test_models_are_in_the_clusters_registry_but_the_one_that_is_to_be_missing() -> None:
    named = MODEL.findall("\n".join(blocks(page(ON_A_CLUSTER), "sh")))

    assert set(named) == {*model_store.TAGS, MISSING_ON_PURPOSE}


def test_conditions_and_reasons_exist() -> None:
    awaited = set(re.findall(r"\.reason}=(\w+)", page(ON_A_CLUSTER)))
    shown = set(re.findall(r"^\w+ +(?:True|False) +([A-Z]\w+)", page(ON_A_CLUSTER), re.MULTILINE))

    assert awaited
    assert shown
    assert awaited | shown <= {reason.text for reason in Reason}


def test_the_client_of_the_tutorial_is_python_and_asks_the_model_of_the_demo() -> None:
    (client,) = blocks(page(WITH_THE_DEMO), "python")

    strings = {node.value for node in ast.walk(ast.parse(client)) if isinstance(node, ast.Constant)}
    assert models.LLM_NAME in strings
    assert "http://127.0.0.1:8080/v1" in strings
