"""What docs/generate.py writes is what the code gives now."""

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


def test_all_are_current() -> None:
    pages: dict[Path, str] = generator().pages()

    stale = [path.name for path, text in pages.items() if not path.is_file() or path.read_text("utf-8") != text]

    assert stale == [], "run 'make docs'"


def test_every_label_of_a_metric_is_explained() -> None:
    measured, _, explained = generator().metrics().partition("## Labels")
    rows = [line.split(" | ") for line in measured.splitlines() if line.startswith("| `speechbridge_")]

    used = {label for row in rows for label in re.findall(r"`(\w+)`", row[2])}

    assert used == set(re.findall(r"^\| `(\w+)`", explained, re.MULTILINE))
