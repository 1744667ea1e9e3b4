"""The dashboards can be read, say what to do, and ask for what the programs expose."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest

from charts.panels import BUILT_IN, VARIABLE, Query, dashboards, panels, queries
from dashboards.panels import OUTCOME_COLORS
from generator import definitions
from speechbridge.telemetry.metrics import REQUEST_OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.unit

SCRAPED = {"namespace", "pod"}
"""Labels that Prometheus adds to every series when it scrapes."""
OF_PODS = ("speechbridge_", "speechwhisper_", "gen_ai_")
"""Series of pipelines' pods, which get the label `pipeline` as well."""
CLIENTS_OWN = {"process_cpu_seconds_total": "counter", "process_resident_memory_bytes": "gauge"}
"""Metrics of the Python client that the dashboards use."""
OF_COUNTERS = {"rate", "irate", "increase"}


def metrics() -> dict[str, tuple[str, set[str]]]:
    """The type and the labels of each series' name, `le` of buckets included."""
    found = {name: (kind, set[str]()) for name, kind in CLIENTS_OWN.items()}
    for one in definitions.all_metrics():
        if one.type == "histogram":
            found[f"{one.name}_bucket"] = "histogram", {*one.labels, "le"}
            found[f"{one.name}_sum"] = found[f"{one.name}_count"] = "histogram", set(one.labels)
        else:
            found[one.name] = one.type, set(one.labels)
    return found


def with_exemplars() -> set[str]:
    """The names of the buckets that have traces as exemplars; tests of bridge and Whisper tell that they have."""
    own = (*definitions.of_bridge(), *definitions.of_whisper())
    latencies = {one.name for one in own if one.type == "histogram" and one.name.endswith("_seconds")}
    return {f"{name}_bucket" for name in latencies - {"speechwhisper_batch_window_seconds"}}


METRICS = metrics()
QUERIES = list(queries())
BOARDS = dashboards()


def nodes(expr: Any) -> Iterator[Any]:
    """An expression and all within it."""
    yield expr
    for name in ("lhs", "rhs", "expr", "args", "vector_selector"):
        inner = getattr(expr, name, None)
        for one in inner if isinstance(inner, list) else [inner]:
            if one is not None:
                yield from nodes(one)


def selectors(expr: Any) -> list[promql_parser.VectorSelector]:
    return [one for one in nodes(expr) if isinstance(one, promql_parser.VectorSelector)]


def labels_of(expr: Any) -> set[str]:
    """All labels that series within an expression may have."""
    return SCRAPED.union(*(METRICS[one.name][1] | scraped(one.name) for one in selectors(expr)))


def scraped(name: str) -> set[str]:
    return {"pipeline"} if name.startswith(OF_PODS) else set()


@pytest.fixture(params=QUERIES, ids=lambda query: f"{query.dashboard}-{query.title}")
def query(request: pytest.FixtureRequest) -> Query:
    return request.param


def test_every_query_asks_for_series_that_the_programs_expose(query: Query) -> None:
    asked = selectors(promql_parser.parse(query.filled()))

    assert asked
    assert [one.name for one in asked if one.name not in METRICS] == []


def test_every_label_in_a_query_is_one_of_its_series(query: Query) -> None:
    whole = promql_parser.parse(query.filled())

    for one in selectors(whole):
        assert {matcher.name for matcher in one.matchers.matchers} <= labels_of(one), one.name
    for one in nodes(whole):
        if isinstance(one, promql_parser.AggregateExpr) and one.modifier is not None:
            assert set(one.modifier.labels) <= labels_of(one.expr)
    assert set(re.findall(r"{{(\w+)}}", query.legend)) <= labels_of(whole)


def test_only_counters_are_asked_for_their_rate(query: Query) -> None:
    calls = [one for one in nodes(promql_parser.parse(query.filled())) if isinstance(one, promql_parser.Call)]

    for call in calls:
        if call.func.name in OF_COUNTERS:
            (counted,) = selectors(call)
            assert METRICS[counted.name][0] in {"counter", "histogram"}, counted.name


def test_no_window_may_be_too_short_for_an_increase(query: Query) -> None:
    """`$__interval` is the distance of two points, which may be less than that of two scrapes."""
    assert not re.search(r"\[\$(__interval|\{__interval\})\]", query.expr)


def test_every_variable_of_a_query_is_one_of_its_dashboard(query: Query) -> None:
    names = {one["name"] for one in BOARDS[query.dashboard]["templating"]["list"]}

    assert {found[1] or found[2] for found in VARIABLE.finditer(query.expr)} <= names | BUILT_IN.keys()


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_chooses_data_source_namespace_and_pipeline(name: str) -> None:
    variables = BOARDS[name]["templating"]["list"]

    assert [one["name"] for one in variables] == ["datasource", "namespace", "pipeline"]
    for one in variables[1:]:
        (asked,) = re.findall(r"label_values\((.*), (\w+)\)", one["query"]["query"])
        (selected,) = selectors(promql_parser.parse(VARIABLE.sub("x", asked[0])))
        assert asked[1] in METRICS[selected.name][1]


@pytest.mark.parametrize("name", BOARDS)
def test_every_panel_has_a_unit_and_says_what_to_do_when_it_looks_bad(name: str) -> None:
    for panel in panels(BOARDS[name]):
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert re.search(r"\bIf .+[:,] .+\.$", panel["description"]), panel["title"]


@pytest.mark.parametrize("name", BOARDS)
def test_panels_have_ids_of_their_own_and_do_not_overlap(name: str) -> None:
    everything = BOARDS[name]["panels"]
    ids = [panel["id"] for panel in everything]
    places = [panel["gridPos"] for panel in everything]

    assert len(ids) == len(set(ids))
    assert all(at["x"] >= 0 and at["x"] + at["w"] <= 24 for at in places)
    for one, other in combinations(places, 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart_x or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


@pytest.mark.parametrize("name", BOARDS)
def test_the_queries_of_a_panel_have_names_of_their_own_and_the_chosen_data_source(name: str) -> None:
    for panel in panels(BOARDS[name]):
        names = [target["refId"] for target in panel["targets"]]
        assert len(names) == len(set(names))
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert sources == [{"type": "prometheus", "uid": "${datasource}"}] * len(sources)


@pytest.mark.parametrize("name", BOARDS)
def test_lines_of_latencies_have_exemplars_and_no_others_ask_for_them(name: str) -> None:
    """Grafana asks for exemplars of a query over time only if its target says so."""
    for panel in panels(BOARDS[name]):
        for target in panel["targets"]:
            asked = selectors(promql_parser.parse(Query(name, panel["title"], target["expr"]).filled()))
            wanted = target.get("range", False) and bool({one.name for one in asked} & with_exemplars())
            assert target.get("exemplar", False) == wanted, panel["title"]


def test_dashboards_have_addresses_of_their_own() -> None:
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS) == 3


def test_outcomes_of_requests_have_colors_that_say_how_they_ended() -> None:
    assert set(OUTCOME_COLORS) >= set(REQUEST_OUTCOMES)

    of_outcomes = [
        panel
        for board in BOARDS.values()
        for panel in panels(board)
        if any(target["legendFormat"] == "{{outcome}}" for target in panel["targets"])
    ]
    assert len(of_outcomes) >= 2
    for panel in of_outcomes:
        chosen = {one["matcher"]["options"]: one["properties"][0]["value"] for one in panel["fieldConfig"]["overrides"]}
        assert chosen == {name: {"mode": "fixed", "fixedColor": color} for name, color in OUTCOME_COLORS.items()}
