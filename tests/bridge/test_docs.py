"""The generated pages of docs/reference are those that the code gives now."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.unit

GENERATOR = Path(__file__).resolve().parents[2] / "docs" / "generate.py"


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", GENERATOR)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["http-api.md", "metrics.md", "settings.md", "errors.md", "chart-values.md", "values.schema.json"])
def test_is_current(name: str) -> None:
    generated = {path.name: (path, text) for path, text in generator().pages().items()}
    path, text = generated[name]

    assert path.is_file(), "run 'make docs'"
    assert path.read_text(encoding="utf-8") == text, "run 'make docs'"


def test_every_label_of_a_metric_is_explained() -> None:
    measured, _, explained = generator().metrics().partition("## Labels")
    rows = [line.split(" | ") for line in measured.splitlines() if line.startswith("| `speechbridge_")]

    used = {label for row in rows for label in re.findall(r"`(\w+)`", row[2])}

    assert used == set(re.findall(r"^\| `(\w+)`", explained, re.MULTILINE))
