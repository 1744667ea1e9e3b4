"""Write docs/reference, the diagrams, the CRD, and the chart's metadata, README, schema and dashboards (`make docs`).

tests/docs/test_generate.py fails if one of them is stale.
"""

from __future__ import annotations

from pathlib import Path

from dashboards import files as dashboards
from generator import (
    chart_metadata,
    chart_readme,
    chart_values,
    conditions,
    errors,
    http_api,
    metrics,
    plugin,
    settings,
    speechpipeline,
)
from generator.diagrams import DIAGRAMS
from speechlocal import paths
from speechoperator.api import crd

DOCS = Path(__file__).resolve().parent
REFERENCE = DOCS / "reference"
PICTURES = DOCS / "images" / "diagrams"
DASHBOARDS = paths.CHART / "files" / "dashboards"
CRD = paths.CHART / "crds" / "speechpipelines.yaml"


def files() -> dict[Path, str]:
    """Return the text of each generated file by its path."""
    pages = {
        "http-api": http_api.http_api_page(),
        "metrics": metrics.bridge_page(),
        "settings": settings.bridge_page(),
        "errors": errors.bridge_page(),
        "operator-metrics": metrics.operator_page(),
        "operator-settings": settings.operator_page(),
        "operator-errors": errors.operator_page(),
        "whisper-errors": errors.whisper_page(),
        "whisper-metrics": metrics.whisper_page(),
        "conditions": conditions.conditions_page(),
        "chart-values": chart_values.values_page(),
        "speechpipeline": speechpipeline.speechpipeline_page(),
        "kubectl-speech": plugin.plugin_page(),
    }
    others = {
        chart_values.SCHEMA: chart_values.values_schema(),
        chart_metadata.CHART: chart_metadata.chart_file(),
        chart_readme.README: chart_readme.readme(),
        CRD: crd.render(),
    }
    boards = {DASHBOARDS / f"{name}.json": dashboards.text(one) for name, one in dashboards.dashboards().items()}
    pictures = {PICTURES / f"{name}.svg": draw() for name, draw in DIAGRAMS.items()}
    return {REFERENCE / f"{name}.md": text for name, text in pages.items()} | pictures | others | boards


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")  # noqa: T201 - a script
