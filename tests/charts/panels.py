"""The panels of the chart's dashboards as Grafana reads them, and their queries as Prometheus does."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from speechlocal.paths import CHART

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILES = sorted((CHART / "files" / "dashboards").glob("*.json"))
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
BUILT_IN = {"__rate_interval": "5m", "__interval": "1m", "__range": "1h"}
"""Variables of Grafana that every dashboard has, with a value of each."""


class Query(NamedTuple):
    """A query of a panel or of an annotation; `title` is its panel's or its own."""

    dashboard: str
    title: str
    expr: str
    legend: str = ""

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.title}: {self.expr}"

    def filled(self, values: Mapping[str, str] = BUILT_IN) -> str:
        """The query with values for its variables; those of the dashboard select everything."""
        return VARIABLE.sub(lambda found: values.get(found[1] or found[2], ".*"), self.expr)


def dashboards() -> dict[str, dict[str, Any]]:
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in FILES}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """All panels but the titles of rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    """Every query of every panel and annotation."""
    for name, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                yield Query(name, panel["title"], target["expr"], target["legendFormat"])
        for one in dashboard["annotations"].get("list", ()):
            yield Query(name, one["name"], one["expr"])
