"""A tutorial can be typed as it stands: what its commands name exists, and is what the local cluster has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

from repository import ROOT
from speechlocal import paths
from speechlocal.cluster import dashboards
from speechlocal.offline import model_store
from speechoperator.plan.conditions.reasons import Reason

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
FILE = re.compile(r"\b(?:examples|charts|local)/[\w./-]+\w")
MODEL = re.compile(r"smollm2:([\w.-]+)")
MISSING_ON_PURPOSE = "360m"


@pytest.fixture(params=TUTORIALS, ids=lambda path: path.stem)
def page(request: pytest.FixtureRequest) -> str:
    path: Path = request.param
    return path.read_text(encoding="utf-8")


@pytest.fixture
def commands(page: str) -> str:
    """What the reader types."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))


def test_files_exist(commands: str) -> None:
    named = FILE.findall(commands)

    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_targets_of_make_exist(commands: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"^make ([\w-]+)", commands, re.MULTILINE)

    assert named
    assert [target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def test_requests_go_where_the_example_is_exposed(page: str) -> None:
    ingress = yaml.safe_load(paths.EXAMPLE.read_text(encoding="utf-8"))["spec"]["bridge"]["ingress"]

    assert set(re.findall(r"http://([\w.:]+)", page)) == {
        f"{host}:{ingress['port']}" for host in (ingress["host"], dashboards.HOST)
    }


def test_models_are_in_the_clusters_registry_but_the_one_that_is_to_be_missing(commands: str) -> None:
    assert set(MODEL.findall(commands)) == {*model_store.TAGS, MISSING_ON_PURPOSE}


def test_conditions_and_reasons_exist(page: str) -> None:
    awaited = set(re.findall(r"\.reason}=(\w+)", page))
    shown = set(re.findall(r"^\w+ +(?:True|False) +([A-Z]\w+)", page, re.MULTILINE))

    assert awaited
    assert shown
    assert awaited | shown <= {reason.text for reason in Reason}
