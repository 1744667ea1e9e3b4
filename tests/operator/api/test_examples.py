"""The SpeechPipelines in examples/ and in the README are valid."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.api import Api, Object
from speechoperator.api import SpeechPipeline

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = sorted((ROOT / "examples").glob("speechpipeline*.yaml"))
README = ROOT / "README.md"

each = pytest.mark.parametrize("example", [*EXAMPLES, README], ids=lambda path: path.stem)


def read(example: Path) -> Object:
    text = example.read_text(encoding="utf-8")
    if example == README:
        (text,) = re.findall(r"^kubectl apply -f - <<EOF\n(.*?)^EOF$", text, re.MULTILINE | re.DOTALL)
    found: dict[str, Any] = yaml.safe_load(text)
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
