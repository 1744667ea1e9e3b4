"""The SpeechPipelines of examples/ are what the definition allows."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.api import Api, Object
from speechoperator.api import SpeechPipeline

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "examples").glob("speechpipeline*.yaml"))

each = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)


def read(example: Path) -> Object:
    found: dict[str, Any] = yaml.safe_load(example.read_text(encoding="utf-8"))
    return found


@pytest.mark.unit
def test_there_are_some() -> None:
    assert {path.stem.removeprefix("speechpipeline") for path in EXAMPLES} == {"", "-minimal", "-gpu", "-external"}


@pytest.mark.unit
@each
def test_an_example_is_right(example: Path) -> None:
    SpeechPipeline.parse(read(example), unknown="forbid")


@pytest.mark.cluster
@each
async def test_the_api_server_takes_an_example(example: Path, api: Api, crd: Object, namespace: str) -> None:  # noqa: ARG001 - it is in force
    await api.create(read(example), namespace, dryRun="All", fieldValidation="Strict")
