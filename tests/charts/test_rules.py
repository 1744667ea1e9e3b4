"""The rules of the chart: what Prometheus and its own tests say of them, what they read, and their runbooks.

When each alert fires, and when not, is in rules/*.test.yaml.
"""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from charts import rule_files
from charts.panels import queries
from charts.promql import matchers, read
from documentation import Block, blocks
from generator import definitions
from installed import installed
from repository import ROOT
from speechbridge.api.openapi.document import document
from speechbridge.errors import PROBLEMS, Problem
from speechbridge.telemetry.metrics import Metrics as BridgeMetrics
from speechlocal import debian
from speechoperator.api.names import COMPONENTS
from speechoperator.api.status import CONDITION_TYPES
from speechoperator.plan.conditions.reasons import Reason

pytestmark = pytest.mark.unit

RUNBOOKS = ROOT / "docs" / "runbooks"
PROMTOOL_TESTS = sorted((Path(__file__).parent / "rules").glob("*.test.yaml"))
SEVERITIES = {"critical", "warning"}
OF_PODS = {"namespace", "pipeline", "speechpipeline_dev_pipeline"}
"""Labels that scrapes set on series of a pipeline's pods: one of the latter two."""
OF_OPERATOR = {"namespace"}
"""Labels that scrapes set on series of the operator."""
RECORDED = {"namespace", "pipeline"}
OUTCOMES = {Problem(code, "").outcome for code in PROBLEMS} | {"ok", "partial", "cancelled"}
"""Of requests to the bridge."""
OF_OTHERS = {
    "certmanager_certificate_expiration_timestamp_seconds": {"namespace", "exported_namespace", "name"},
    "probe_ssl_earliest_cert_expiry": {"namespace", "instance"},
}
"""Metrics of other programs that the rules read, where they exist."""


def promtool(*arguments: str | Path) -> tuple[int, str]:
    """Exit code and output of promtool."""
    command = [installed("promtool", debian.PROMETHEUS), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("file", rule_files.files(), ids=lambda file: file.stem)
def test_prometheus_accepts_the_file(file: Path) -> None:
    code, said = promtool("check", "rules", "--lint-fatal", file)

    assert code == 0, said


@pytest.mark.parametrize("file", PROMTOOL_TESTS, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should(file: Path) -> None:
    code, said = promtool("test", "rules", file)

    assert code == 0, said


def test_a_wrong_expectation_would_be_found(tmp_path: Path) -> None:
    text = (Path(__file__).parent / "rules" / "operator.test.yaml").read_text()
    wrong = text.replace("eval_time: 14m", "eval_time: 15m").replace("../../../charts/speechpipeline/files/rules", "X")
    file = tmp_path / "wrong.test.yaml"
    file.write_text(wrong.replace("X", str(rule_files.RULES)))

    code, said = promtool("test", "rules", file)

    assert code != 0
    assert "SpeechOperatorWithoutLeader" in said


@pytest.mark.parametrize("name", rule_files.alert_names())
def test_each_severity_of_each_alert_is_seen_firing_and_each_alert_is_seen_silent(name: str) -> None:
    tests = [test for file in PROMTOOL_TESTS for test in yaml.safe_load(file.read_text())["tests"]]
    fired = {
        alert["exp_labels"]["severity"]
        for test in tests
        for case in test.get("alert_rule_test", ())
        if case["alertname"] == name
        for alert in case["exp_alerts"]
    }
    silent = [
        case
        for test in tests
        for case in test.get("promql_expr_test", ())
        if f'"{name}"' in case["expr"] and "exp_samples" not in case
    ]

    assert fired == {rule["labels"]["severity"] for rule in rule_files.alerts() if rule["alert"] == name}
    assert len(silent) >= 2, "before it fires, and after the fault"


@pytest.mark.parametrize("rule", rule_files.alerts(), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_each_alert_says_what_happens_where_and_what_to_do(rule: rule_files.Rule) -> None:
    annotations = rule["annotations"]

    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in SEVERITIES
    assert annotations.keys() == {"summary", "description", "runbook"}
    assert "{{" not in annotations["summary"], "alerts are grouped by it"
    assert not annotations["summary"].endswith(".")
    assert "$labels.namespace" in annotations["description"]
    assert annotations["runbook"] == f"docs/runbooks/{rule['alert']}.md"
    assert (ROOT / annotations["runbook"]).is_file()


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"}
    listed = set(re.findall(r"\]\((\w+)\.md\)", (RUNBOOKS / "README.md").read_text()))

    assert pages == set(rule_files.alert_names())
    assert listed == pages


@pytest.mark.parametrize("name", rule_files.alert_names())
def test_each_runbook_has_the_same_parts(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text()

    assert text.startswith(f"# {name}\n")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == ["Meaning", "Impact", "Diagnosis", "Mitigation", "When to ignore it"]
    assert "kubectl" in text


def unknown(expression: str) -> list[object]:
    """What an expression reads that does not exist: metrics, labels of a metric, labels that results are grouped by."""
    known = known_metrics()
    found = read(expression)
    own = set().union(*(known.get(metric, set()) for metric in found.metrics))
    return [
        *(metric for metric in found.metrics if metric not in known),
        *((metric, label) for metric, labels in found.metrics.items() for label in labels - known.get(metric, set())),
        *(found.grouped - own),
    ]


def test_expressions_read_only_metrics_and_labels_that_exist() -> None:
    wrong = [(rule.get("alert", rule.get("record")), unknown(rule["expr"])) for rule in rule_files.rules()]

    assert [each for each in wrong if each[1]] == []


@pytest.mark.parametrize(
    "block", [block for block in blocks() if block.language == "promql"], ids=lambda block: block.place
)
def test_queries_of_the_documentation_read_only_what_exists(block: Block) -> None:
    of_targets = {"pod"}  # a label that every scrape of pods sets

    for query in block.text.splitlines():
        assert set(unknown(query)) <= of_targets, query


def test_an_unknown_name_would_be_found() -> None:
    found = read('sum by (of) (rate(no_such_total{is="there"}[5m])) and on (other) up')

    assert found.metrics == {"no_such_total": {"is"}, "up": set()}
    assert found.grouped == {"of", "other"}


def test_descriptions_name_only_labels_that_the_alert_has() -> None:
    for rule in rule_files.alerts():
        named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["description"]))
        found = read(rule["expr"])
        recorded = RECORDED if any(":" in metric for metric in found.metrics) else set()

        assert named <= found.grouped | recorded, rule["alert"]


def test_matchers_name_values_that_the_programs_set() -> None:
    values = known_values()
    asked = [one for rule in rule_files.rules() for one in matchers(rule["expr"])]

    assert asked
    assert [one for one in asked if not any(re.fullmatch(one[2], known) for known in values[one[1]])] == []


def test_a_value_that_no_program_sets_would_be_found() -> None:
    found = list(matchers('a{reason=~"Ready|Redy", type!="Ready"} unless b{outcome!~"x.+"}'))

    assert found == [("a", "reason", "Ready"), ("a", "reason", "Redy"), ("a", "type", "Ready"), ("b", "outcome", "x.+")]


def test_every_request_to_the_api_counts_by_its_outcome() -> None:
    routes, outcomes = objective("pipeline:speechbridge_requests:rate5m")
    failed_routes, failed = objective("pipeline:speechbridge_requests_failed:ratio_rate5m")
    posts = {path for path, methods in document()["paths"].items() if "post" in methods}

    assert {path for path in document()["paths"] if re.fullmatch(routes, path)} == posts
    assert failed_routes == routes
    assert set(failed.split("|")) | set(outcomes.split("|")) | {"ok"} == OUTCOMES


def test_dashboards_count_the_requests_that_the_rules_count() -> None:
    routes, outcomes = objective("pipeline:speechbridge_requests:rate5m")
    success = [query.expr for query in queries() if query.title.startswith("Success")]

    assert len(success) == 2
    for expr in success:
        assert expr.count(f'route=~"{routes}"') == 2
        assert expr.count(f'outcome!~"{outcomes}"') == expr.count('outcome="ok"') == 1


def objective(record: str) -> tuple[str, str]:
    """The regular expressions of routes and outcomes in a recording rule; the same ones throughout the rule files."""
    (expr,) = (rule["expr"] for rule in rule_files.rules() if rule.get("record") == record)
    (found,) = set(re.findall(r'route=~"([^"]+)", outcome[!=]~"([^"]+)"', expr))
    kind = record.split(":")[1]
    same = [rule["expr"] for rule in rule_files.rules() if rule.get("record", "").split(":")[1:2] == [kind]]
    assert all(set(re.findall(r'route=~"([^"]+)", outcome[!=]~"([^"]+)"', one)) == {found} for one in same)
    return found


def known_values() -> dict[str, set[str]]:
    """The values of each label that a matcher may name."""
    exposed = BridgeMetrics().exposition()[0].decode()
    return {
        "reason": {reason.text for reason in Reason},
        "type": set(CONDITION_TYPES),
        "status": {"True", "False", "Unknown"},
        "component": set(COMPONENTS),
        "route": set(document()["paths"]),
        "outcome": OUTCOMES,
        "result": {"ok", "rejected", "error"},
        "le": set(re.findall(r'to_first_segment_seconds_bucket\{le="([^"]+)"', exposed)),
    }


def known_metrics() -> dict[str, set[str]]:
    """The labels of each series that the programs expose, and of those that the rules record."""
    found: dict[str, set[str]] = {}
    of_pods = [(one, OF_PODS) for one in (*definitions.of_bridge(), *definitions.of_whisper())]
    of_operator = [(one, OF_OPERATOR) for one in (*definitions.of_operator(), *definitions.of_pipelines())]
    for one, scraped in of_pods + of_operator:
        labels = {*one.labels, *scraped}
        if one.type == "histogram":
            found |= {f"{one.name}_bucket": {*labels, "le"}, f"{one.name}_sum": labels, f"{one.name}_count": labels}
        else:
            found[one.name] = labels
    found |= {rule["record"]: RECORDED for rule in rule_files.rules() if "record" in rule}
    return found | OF_OTHERS
