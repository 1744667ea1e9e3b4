"""The rules of the chart, as Prometheus reads them from its files."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from speechlocal.paths import CHART

RULES = CHART / "files" / "rules"

Rule = dict[str, Any]

DURATION = re.compile(r"(?:(?<=\[)|(?<=for: ))(\d+)([smhd])(?=\]|$)", re.MULTILINE)
"""A window, or the time for which an alert is pending. Names such as `rate5m` are left alone."""
MILLISECONDS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def files() -> list[Path]:
    return sorted(RULES.glob("*.yaml"))


def groups() -> list[dict[str, Any]]:
    """All groups, in the order of the files."""
    return [group for file in files() for group in yaml.safe_load(file.read_text())["groups"]]


def rules() -> Iterator[Rule]:
    for group in groups():
        yield from group["rules"]


def alerts() -> list[Rule]:
    """All alerting rules; one name may have a rule for each severity."""
    return [rule for rule in rules() if "alert" in rule]


def alert_names() -> list[str]:
    return sorted({rule["alert"] for rule in alerts()})


def faster(text: str, factor: int) -> str:
    """Return a rule file with each window and each `for` divided by a factor, and nothing else changed.

    With 30, 15 minutes become 30 seconds, so that a test can wait for an alert. Counts and shares stay as they are.
    """
    return DURATION.sub(lambda found: f"{int(found[1]) * MILLISECONDS[found[2]] // factor}ms", text)
