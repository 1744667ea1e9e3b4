"""What the chart installs for Prometheus and Grafana."""

import json
from typing import Any

import pytest

from charts.helm import Helm
from speechlocal.paths import CHART

pytestmark = pytest.mark.unit

FILES = sorted((CHART / "files" / "dashboards").glob("*.json"))
POD_MONITORS = ("--api-versions", "monitoring.coreos.com/v1/PodMonitor")
SCRAPED = {"prometheus.io/scrape": "true", "prometheus.io/port": "8081", "prometheus.io/path": "/metrics"}


def dashboards(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The ConfigMaps of dashboards by the file in them."""
    return {
        file: body
        for body in objects
        if body["kind"] == "ConfigMap" and "dashboard" in body["metadata"]["name"]
        for file in body["data"]
    }


def monitors(helm: Helm, *arguments: str) -> list[dict[str, Any]]:
    return [body for body in helm.objects(*arguments) if body["kind"] == "PodMonitor"]


def scrape_annotations(helm: Helm, *arguments: str) -> tuple[dict[str, str], str]:
    """Those of the operator's pods, and what the operator is told for the pods of pipelines."""
    template = helm.one("Deployment", *arguments)["spec"]["template"]
    variables = {one["name"]: one.get("value") for one in template["spec"]["containers"][0]["env"]}
    own = {name: value for name, value in template["metadata"]["annotations"].items() if name.startswith("prometheus")}
    return own, variables["SCRAPE_ANNOTATIONS"]


def test_each_dashboard_is_in_a_config_map_that_grafanas_sidecar_finds(helm: Helm) -> None:
    found = dashboards(helm.objects())

    assert {name: json.loads(body["data"][name]) for name, body in found.items()} == {
        file.name: json.loads(file.read_text()) for file in FILES
    }
    assert {body["metadata"]["labels"]["grafana_dashboard"] for body in found.values()} == {"1"}
    assert {body["metadata"]["namespace"] for body in found.values()} == {"voice"}
    assert len({body["metadata"]["name"] for body in found.values()}) == len(FILES) == 3


def test_dashboards_go_where_grafana_looks_for_them(helm: Helm) -> None:
    values = "dashboards.namespace=monitoring,dashboards.folder=Speech,dashboards.label=boards,dashboards.labels.team=a"
    for body in dashboards(helm.objects("--set", values)).values():
        meta = body["metadata"]
        assert meta["namespace"] == "monitoring"
        assert meta["annotations"]["grafana_folder"] == "Speech"
        assert (meta["labels"]["boards"], meta["labels"]["team"]) == ("1", "a")


def test_dashboards_can_be_left_out(helm: Helm) -> None:
    assert dashboards(helm.objects("--set", "dashboards.enabled=false")) == {}


def test_there_are_pod_monitors_where_the_api_server_knows_them(helm: Helm) -> None:
    assert monitors(helm) == []
    assert monitors(helm, "--set", "metrics.podMonitors.enabled=false", *POD_MONITORS) == []
    assert len(monitors(helm, "--set", "metrics.podMonitors.enabled=true")) == 2

    operator, pipelines = monitors(helm, *POD_MONITORS, "--set", "metrics.podMonitors.labels.release=stack")

    assert operator["metadata"]["labels"]["release"] == pipelines["metadata"]["labels"]["release"] == "stack"
    assert operator["spec"]["podMetricsEndpoints"][0]["honorLabels"] is True
    assert pipelines["spec"]["namespaceSelector"] == {"any": True}


def test_the_operators_pod_monitor_selects_the_pods_of_its_deployment(helm: Helm) -> None:
    operator, _ = monitors(helm, *POD_MONITORS)
    template = helm.one("Deployment")["spec"]["template"]

    assert operator["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    ports = [port["name"] for port in template["spec"]["containers"][0]["ports"]]
    assert operator["spec"]["podMetricsEndpoints"][0]["port"] in ports


def test_pods_of_an_engine_without_metrics_are_not_scraped_whatever_their_image(helm: Helm) -> None:
    _, pipelines = monitors(helm, *POD_MONITORS)
    drops = [one for one in pipelines["spec"]["podMetricsEndpoints"][0]["relabelings"] if one.get("action") == "drop"]

    label = "__meta_kubernetes_pod_label_speechpipeline_dev_engine"
    assert drops == [{"sourceLabels": [label], "regex": "asr-webservice", "action": "drop"}]


def test_only_managed_namespaces_are_scraped(helm: Helm) -> None:
    _, pipelines = monitors(helm, *POD_MONITORS, "--set", "watchNamespaces={a,b}")

    assert pipelines["spec"]["namespaceSelector"] == {"matchNames": ["a", "b"]}


def test_pods_are_annotated_where_the_api_server_knows_no_pod_monitors(helm: Helm) -> None:
    assert scrape_annotations(helm) == (SCRAPED, "true")
    assert scrape_annotations(helm, "--set", "metrics.podMonitors.enabled=false") == (SCRAPED, "true")

    assert scrape_annotations(helm, *POD_MONITORS) == ({}, "false")
    assert scrape_annotations(helm, *POD_MONITORS, "--set", "metrics.podMonitors.enabled=false") == ({}, "false")
    assert scrape_annotations(helm, "--set", "metrics.podMonitors.enabled=true") == ({}, "false")


def test_the_values_decide_whether_pods_are_annotated(helm: Helm) -> None:
    assert scrape_annotations(helm, *POD_MONITORS, "--set", "metrics.scrapeAnnotations=true") == (SCRAPED, "true")
    assert scrape_annotations(helm, "--set", "metrics.scrapeAnnotations=false") == ({}, "false")


def test_annotations_name_the_port_of_the_operators_pods(helm: Helm) -> None:
    (port,) = helm.one("Deployment")["spec"]["template"]["spec"]["containers"][0]["ports"]

    assert SCRAPED["prometheus.io/port"] == f"{port['containerPort']}"


def test_annotations_of_the_user_take_precedence(helm: Helm) -> None:
    own, _ = scrape_annotations(helm, "--set-json", 'operator.podAnnotations={"prometheus.io/scrape": "false"}')

    assert own == {**SCRAPED, "prometheus.io/scrape": "false"}


def test_pods_behind_a_service_that_is_scraped_are_not_scraped_again(helm: Helm) -> None:
    service = ("--set-json", 'metrics.service.annotations={"prometheus.io/scrape": "true"}')

    assert scrape_annotations(helm, *service) == ({}, "true")
    assert scrape_annotations(helm, *service, "--set", "metrics.service.enabled=false") == (SCRAPED, "true")
