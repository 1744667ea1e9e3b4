"""How the chart ships its rules: as they are, but for what the values say."""

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


def test_objectives_are_those_of_the_values(helm: Helm) -> None:
    groups = shipped(helm, "--set-json", 'monitoring.rules.objectives={"success": 0.999}')["spec"]["groups"]

    targets = {rule["record"]: rule["expr"] for group in groups for rule in group["rules"] if "record" in rule}
    assert targets["speechpipeline:objective:success"] == "vector(0.999)"
    assert targets["speechpipeline:objective:first_segment"] == "vector(0.95)"


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
