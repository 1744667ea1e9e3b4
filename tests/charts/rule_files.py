"""The rules of the chart, as Prometheus reads them from its files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from speechlocal.paths import CHART

RULES = CHART / "files" / "rules"

Rule = dict[str, Any]


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
