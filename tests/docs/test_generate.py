"""What docs/generate.py writes is what the code gives now."""

import re
from collections.abc import Callable

import pytest

from generate import files
from generator import metrics
from speechbridge.telemetry.metrics import REQUEST_OUTCOMES, STAGE_OUTCOMES
from speechwhisper.recognition.judging import Doubt

pytestmark = pytest.mark.unit


def test_all_are_current() -> None:
    stale = [path.name for path, text in files().items() if not path.is_file() or path.read_text("utf-8") != text]

    assert stale == [], "run 'make docs'"


@pytest.mark.parametrize("page", [metrics.bridge_page, metrics.whisper_page, metrics.operator_page])
def test_every_label_of_a_metric_is_explained(page: Callable[[], str]) -> None:
    measured, _, explained = page().partition("## Labels")
    rows = [line.split(" | ") for line in measured.splitlines() if line.startswith(("| `speech", "| `gen_ai_server_"))]

    used = {label for row in rows for label in re.findall(r"`(\w+)`", row[2])}

    assert used
    assert used == set(re.findall(r"^\| `(\w+)`", explained, re.MULTILINE))


@pytest.mark.parametrize("outcomes", [STAGE_OUTCOMES, REQUEST_OUTCOMES])
def test_every_outcome_of_the_bridge_is_explained(outcomes: dict[str, str]) -> None:
    (row,) = [line for line in metrics.bridge_page().splitlines() if line.startswith("| `outcome` |")]
    values = [re.findall(r"`(\w+)`", part) for part in row.removeprefix("| `outcome` |").split(";")]

    assert list(outcomes) in values


@pytest.mark.parametrize("reason", Doubt)
def test_every_reason_for_a_doubtful_stretch_is_explained(reason: str) -> None:
    (row,) = [line for line in metrics.whisper_page().splitlines() if line.startswith("| `reason` |")]

    assert f"`{reason}`" in row
