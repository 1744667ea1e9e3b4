"""What docs/generate.py writes is what the code gives now."""

import re
from collections.abc import Callable

import pytest

from generate import files
from generator import metrics

pytestmark = pytest.mark.unit


def test_all_are_current() -> None:
    stale = [path.name for path, text in files().items() if not path.is_file() or path.read_text("utf-8") != text]

    assert stale == [], "run 'make docs'"


@pytest.mark.parametrize("page", [metrics.bridge_page, metrics.operator_page])
def test_every_label_of_a_metric_is_explained(page: Callable[[], str]) -> None:
    measured, _, explained = page().partition("## Labels")
    rows = [line.split(" | ") for line in measured.splitlines() if line.startswith(("| `speech", "| `gen_ai_server_"))]

    used = {label for row in rows for label in re.findall(r"`(\w+)`", row[2])}

    assert used
    assert used == set(re.findall(r"^\| `(\w+)`", explained, re.MULTILINE))
