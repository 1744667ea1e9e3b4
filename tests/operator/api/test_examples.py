"""The SpeechPipelines in examples/ are valid."""

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
def test_the_examples_are_complete() -> None:
    assert {path.stem.removeprefix("speechpipeline") for path in EXAMPLES} == {"", "-minimal", "-gpu", "-external"}


@pytest.mark.unit
@each
def test_an_example_is_valid(example: Path) -> None:
    SpeechPipeline.parse(read(example), unknown="forbid")


@pytest.mark.cluster
@each
async def test_the_api_server_admits_an_example(example: Path, api: Api, crd: Object, namespace: str) -> None:  # noqa: ARG001 - installed
    await api.create(read(example), namespace, dryRun="All", fieldValidation="Strict")
