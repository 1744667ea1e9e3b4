"""Rules with shorter times, for tests on a cluster, are the same rules."""

import re
from pathlib import Path

import pytest
import yaml

from charts import rule_files

pytestmark = pytest.mark.unit

TIMES = re.compile(r"\[(\w+)\]|^ +for: (\w+)$", re.MULTILINE)


@pytest.mark.parametrize("file", rule_files.files(), ids=lambda file: file.stem)
def test_only_windows_and_pending_times_differ(file: Path) -> None:
    text = file.read_text()

    faster = rule_files.faster(text, 30)

    assert TIMES.sub("", faster) == TIMES.sub("", text)
    assert len(TIMES.findall(faster)) == len(TIMES.findall(text)) > 0
    assert all(time.endswith("ms") for pair in TIMES.findall(faster) for time in pair if time)
    assert [rule["alert"] for rule in rules(faster) if "alert" in rule]


def rules(text: str) -> list[rule_files.Rule]:
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def test_times_are_divided() -> None:
    text = "expr: sum(rate5m) + rate(x[1h]) offset\nfor: 15m\n"

    assert rule_files.faster(text, 30) == "expr: sum(rate5m) + rate(x[120000ms]) offset\nfor: 30000ms\n"
