"""What all dashboards share: their frame with the variables, and the kinds of panels."""

from __future__ import annotations

import re
from itertools import count
from typing import NamedTuple

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.models import common, dashboard

DATASOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "speechpipeline"
OUTCOME_COLORS = {
    "ok": "#10b981",
    "partial": "#84cc16",
    "overloaded": "#f59e0b",
    "busy": "#f59e0b",
    "failed": "#ef4444",
    "deadline": "#a16207",
    "rejected": "#8b5cf6",
    "cancelled": "#64748b",
}
"""Of requests, in all panels: what went well is green, what failed red. Other outcomes get Grafana's next colours."""
_HEIGHT = 8
_STAT_HEIGHT = 4
_HAS_EXEMPLARS = re.compile(r"\b(speechbridge|gen_ai_server|speechwhisper)_\w+_seconds_bucket\b")
"""The histograms of latencies of bridges and Whisper pods; reconciles of the operator are not traced."""


class Query(NamedTuple):
    """A query and the name of its series; `{{label}}` in the name is the value of a label."""

    expr: str
    legend: str = ""


class Row(NamedTuple):
    """A row of panels that belong together."""

    title: str
    panels: tuple[timeseries.Panel | stat.Panel, ...]


def time_series(
    title: str, description: str, unit: str, *queries: Query, width: int = 8, stacked: bool = False
) -> timeseries.Panel:
    """Return a panel of lines over time.

    Args:
        title: What it shows.
        description: What it means, and what to do when it looks bad.
        unit: Grafana's name of the unit.
        queries: What it draws.
        width: Of 24 columns.
        stacked: Whether the lines are parts of a whole.
    """
    legend = common_builders.VizLegendOptions().placement(common.LegendPlacement.BOTTOM).show_legend(True)
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .span(width)
        .height(_HEIGHT)
        .legend(legend.display_mode(common.LegendDisplayMode.LIST))
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
        .fill_opacity(30 if stacked else 0)
        .targets([_target(query, at) for at, query in enumerate(queries)])
    )
    if stacked:
        panel.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL))
    if any(query.legend == "{{outcome}}" for query in queries):
        for outcome, color in OUTCOME_COLORS.items():
            fixed = dashboard.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})
            panel.override_by_name(outcome, [fixed])
    return panel


def number(title: str, description: str, unit: str, query: Query, *, width: int = 6, decimals: int = 2) -> stat.Panel:
    """Return a panel with one number; the arguments are those of `time_series`."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .decimals(decimals)
        .span(width)
        .height(_STAT_HEIGHT)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
        .targets([_target(query, 0, instant=True)])
    )


def frame(uid: str, title: str, description: str, rows: tuple[Row, ...]) -> builders.Dashboard:
    """Return a dashboard of the rows, whose variables choose the data source, namespaces and pipelines."""
    built = (
        builders.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .timezone("browser")
        .time("now-6h", "now")
        .refresh("30s")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .link(
            builders.DashboardLink("Speech pipelines")
            .type(dashboard.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(builders.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_choice("namespace", "Namespace", "label_values(speechoperator_pipeline_condition, namespace)"))
        .with_variable(
            _choice(
                "pipeline",
                "Pipeline",
                'label_values(speechoperator_pipeline_condition{namespace=~"$namespace"}, pipeline)',
            )
        )
    )
    numbers = count(1)
    for row in rows:
        built.with_row(builders.Row(row.title).id(next(numbers)))
        for panel in row.panels:
            built.with_panel(panel.id(next(numbers)))
    return built


def annotation(name: str, expr: str, color: str) -> builders.AnnotationQuery:
    """Return marks on all panels at the times at which a query has a value."""
    return builders.AnnotationQuery().name(name).datasource(DATASOURCE).enable(True).icon_color(color).expr(expr)


def _choice(name: str, label: str, query: str) -> builders.QueryVariable:
    """Return a variable of several values; all of them also match series without the label."""
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": query, "refId": name})
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )


def _target(query: Query, at: int, *, instant: bool = False) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id("ABCDEFGH"[at])
    if instant:
        return target.datasource(DATASOURCE).instant()
    if _HAS_EXEMPLARS.search(query.expr):  # Grafana asks for them only where a query says so
        target.exemplar(True)
    return target.datasource(DATASOURCE).range()
