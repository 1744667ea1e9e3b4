"""The specs in the how-to pages are valid, and their manifests can be built."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.pipelines import pipeline
from speechoperator.api import SpeechPipeline
from speechoperator.plan.decisions import from_spec
from speechoperator.plan.manifests.build import build
from speechoperator.settings import Settings

pytestmark = pytest.mark.unit

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


def specs() -> Iterator[Any]:
    """The YAML blocks that begin with `spec:`, each named by its page and the heading above it."""
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for block in re.finditer(r"^```yaml\n(spec:\n.*?)^```", text, re.DOTALL | re.MULTILINE):
            heading = re.findall(r"^#+ (.*)$", text[: block.start()], re.MULTILINE)[-1]
            yield pytest.param(yaml.safe_load(block[1])["spec"], id=f"{page.stem}: {heading}")


@pytest.mark.parametrize("spec", list(specs()))
def test_a_spec_in_the_documentation_is_valid(spec: dict[str, Any]) -> None:
    parsed = SpeechPipeline.parse(pipeline(spec), unknown="forbid")

    assert build(parsed, Settings(), from_spec(parsed, Settings()))


def test_the_pages_have_specs() -> None:
    assert len(list(specs())) > 1
