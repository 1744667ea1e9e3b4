"""How the chart ships its rules: as they are, but for what the values say."""

import re
from collections.abc import Sequence
from typing import Any

import pytest

from charts import rule_files
from charts.helm import Helm, HelmError

pytestmark = pytest.mark.unit

SERVED = ("--api-versions", "monitoring.coreos.com/v1/PrometheusRule")


def shipped(helm: Helm, *arguments: str) -> dict[str, Any]:
    return helm.one("PrometheusRule", *SERVED, *arguments)


def test_the_chart_ships_the_files_as_they_are(helm: Helm) -> None:
    assert shipped(helm)["spec"]["groups"] == rule_files.groups()


@pytest.mark.parametrize("arguments", [SERVED, ("--set", "monitoring.rules.enabled=true")], ids=" ".join)
def test_it_ships_them_where_the_definition_exists_or_the_values_say_so(helm: Helm, arguments: Sequence[str]) -> None:
    assert "PrometheusRule" in kinds(helm, *arguments)


@pytest.mark.parametrize("arguments", [(), (*SERVED, "--set", "monitoring.rules.enabled=false")], ids=" ".join)
def test_otherwise_it_does_not(helm: Helm, arguments: Sequence[str]) -> None:
    assert "PrometheusRule" not in kinds(helm, *arguments)


def kinds(helm: Helm, *arguments: str) -> set[str]:
    return {body["kind"] for body in helm.objects(*arguments)}


def test_labels_select_the_prometheus(helm: Helm) -> None:
    labels = shipped(helm, "--set", "monitoring.rules.labels.release=prometheus")["metadata"]["labels"]

    assert labels["release"] == "prometheus"
    assert labels["app.kubernetes.io/part-of"] == "speechpipeline"


def test_severities_are_named_as_the_values_say(helm: Helm) -> None:
    groups = shipped(helm, "--set", "monitoring.rules.severities.critical=page")["spec"]["groups"]

    found = {rule["labels"]["severity"] for group in groups for rule in group["rules"] if "alert" in rule}
    assert found == {"page", "warning"}


def test_runbooks_are_where_the_values_say(helm: Helm) -> None:
    groups = shipped(helm, "--set", "monitoring.rules.runbookBaseUrl=https://wiki.example.com/speech/")["spec"][
        "groups"
    ]

    for rule in (rule for group in groups for rule in group["rules"] if "alert" in rule):
        assert rule["annotations"]["runbook_url"] == f"https://wiki.example.com/speech/{rule['alert']}.md"
        assert rule["annotations"]["runbook"] == f"docs/runbooks/{rule['alert']}.md"


def test_without_an_address_of_runbooks_alerts_name_their_place_in_the_repository(helm: Helm) -> None:
    for rule in (rule for group in shipped(helm)["spec"]["groups"] for rule in group["rules"] if "alert" in rule):
        assert rule["annotations"]["runbook"] == f"docs/runbooks/{rule['alert']}.md"
        assert "runbook_url" not in rule["annotations"]


def test_objectives_are_those_of_the_values(helm: Helm) -> None:
    values = 'monitoring.rules.objectives={"success": 0.95, "firstSegment": 0.9999}'
    groups = shipped(helm, "--set-json", values)["spec"]["groups"]

    assert allowed(groups) == {"SpeechRequestsFailing": {"0.95"}, "SpeechFirstSegmentLate": {"0.9999"}}
    assert allowed(rule_files.groups()) == {"SpeechRequestsFailing": {"0.995"}, "SpeechFirstSegmentLate": {"0.95"}}


def allowed(groups: list[dict[str, Any]]) -> dict[str, set[str]]:
    """The objectives in the expressions of each alert that has one."""
    found: dict[str, set[str]] = {}
    for rule in (rule for group in groups for rule in group["rules"]):
        if numbers := re.findall(r"\(1 - ([0-9.]+)\)", rule["expr"]):
            assert len(numbers) == 2, rule
            found.setdefault(rule["alert"], set()).update(numbers)
    return found


def test_every_objective_that_is_accepted_can_be_missed(helm: Helm) -> None:
    values = 'monitoring.rules.objectives={"success": 0.94, "firstSegment": 0.94}'
    alerts = [rule for group in shipped(helm, "--set-json", values)["spec"]["groups"] for rule in group["rules"]]

    thresholds = re.findall(r"> ([0-9.]+) \* \(1 - ([0-9.]+)\)", "".join(rule["expr"] for rule in alerts))
    assert len(thresholds) == 8
    assert all(float(rate) * (1 - float(objective)) < 0.9 for rate, objective in thresholds)


def test_single_alerts_can_be_left_out(helm: Helm) -> None:
    without = {"SpeechRequestsFailing", "SpeechOperatorFailing", "SpeechOperatorWithoutLeader"}
    groups = shipped(helm, "--set", f"monitoring.rules.disabled={{{','.join(without)}}}")["spec"]["groups"]

    names = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    assert names == set(rule_files.alert_names()) - without
    assert all(group["rules"] for group in groups)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("monitoring.rules.enabled=maybe", "at '/monitoring/rules/enabled': value must be one of 'auto', true, false"),
        (
            "monitoring.rules.runbookBaseUrl=wiki",
            "at '/monitoring/rules/runbookBaseUrl': 'wiki' does not match pattern",
        ),
        ("monitoring.rules.objectives.success=1", "at '/monitoring/rules/objectives/success': exclusiveMaximum"),
        ("monitoring.rules.severities.info=low", "at '/monitoring/rules/severities': additional properties 'info'"),
    ],
)
def test_wrong_values_are_refused(helm: Helm, wrong: str, said: str) -> None:
    with pytest.raises(HelmError) as refused:
        helm.template("--set", wrong)

    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["success", "firstSegment"])
def test_an_objective_that_cannot_be_missed_is_refused(helm: Helm, name: str) -> None:
    with pytest.raises(HelmError) as refused:
        helm.template("--set-json", f"monitoring.rules.objectives.{name}=0.93")

    assert f"at '/monitoring/rules/objectives/{name}': minimum" in str(refused.value)
