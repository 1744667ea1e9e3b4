"""The page of dashboards: its files, and what it takes for granted of the chart's dashboards and of its Prometheus."""

from __future__ import annotations

import io
import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from rich.console import Console

from charts.panels import dashboards as shipped
from charts.panels import panels
from installed import installed
from speechlocal import debian, loopback, node_packages
from speechlocal.cluster import addons, dashboards, lifecycle
from speechlocal.errors import LocalError, MissingError
from speechlocal.progress import silent

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit


@pytest.fixture
def objects() -> list[dict[str, Any]]:
    addon = next(one for one in addons.ADDONS if one.name == "dashboards")
    return list(yaml.safe_load_all(addon.manifest.read_text()))


@pytest.fixture
def config(objects: list[dict[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = next(one["data"] for one in objects if one["kind"] == "ConfigMap")
    return found


@pytest.fixture
def containers(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The containers of the pod by their names."""
    pod = next(one for one in objects if one["kind"] == "Deployment")["spec"]["template"]["spec"]
    return {one["name"]: one for one in pod["containers"]}


@pytest.fixture
def without_npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")


def javascript(module: str, expression: str) -> Any:
    """The value of an expression with what a module of the page exports."""
    program = (
        f"import * as page from {json.dumps(str(dashboards.PAGE / module))};\nconsole.log(JSON.stringify({expression}))"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", program], check=True, capture_output=True, text=True, timeout=30
    )
    return json.loads(done.stdout)


@pytest.mark.usefixtures("without_npm")
def test_without_npm_the_page_lacks_its_charts_and_the_command_says_what_to_install() -> None:
    console = Console(file=io.StringIO(), width=200)

    lifecycle.install_library(console, silent)
    data = dashboards.config_map()["data"]

    assert "page.js" in data
    assert data.keys().isdisjoint(dashboards.LIBRARY)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ("cluster: warning: the dashboards will lack their charts: npm was not found\n")
    assert "/prometheus/api/v1/" in dashboards.address(8088)
    assert "install Node with npm" in dashboards.address(8088)


def test_a_registry_that_does_not_answer_holds_up_the_cluster_for_less_than_a_minute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    npm = tmp_path / "npm"
    npm.write_text('#!/bin/sh\necho "$@"\nexit 1\n')
    npm.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(LocalError) as raised:
        dashboards.install_library(silent)

    passed = {name: int(value) for name, value in re.findall(r"--(fetch-[\w-]+)=(\d+)", raised.value.message)}
    attempts = 1 + passed["fetch-retries"]
    assert attempts * passed["fetch-timeout"] + passed["fetch-retry-mintimeout"] < 60_000
    assert attempts > 1, "one lost connection is no reason to do without"


@pytest.mark.usefixtures("without_npm")
def test_packages_of_node_need_npm(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="npm was not found"):
        node_packages.install(dashboards.PAGE, tmp_path / "folder")


def test_the_library_is_pinned_with_a_checksum_and_without_the_address_of_a_registry() -> None:
    lock = json.loads((dashboards.PAGE / "package-lock.json").read_text())
    wanted = json.loads((dashboards.PAGE / "package.json").read_text())["dependencies"]

    assert {
        name.removeprefix("node_modules/"): one["version"] for name, one in lock["packages"].items() if name
    } == wanted
    assert all(one["integrity"] and "resolved" not in one for name, one in lock["packages"].items() if name)


def test_what_the_page_loads_is_in_its_config_map() -> None:
    page = (dashboards.PAGE / "index.html").read_text()
    files = {file.name for file in dashboards.PAGE.iterdir()} | set(dashboards.LIBRARY)

    assert {name for name in files if f'"{name}"' in page} == {"style.css", "page.js", *dashboards.LIBRARY}
    assert "http" not in page, "nothing comes from elsewhere"


def test_the_ingress_has_the_host_that_is_printed(objects: list[dict[str, Any]]) -> None:
    (rule,) = next(one for one in objects if one["kind"] == "Ingress")["spec"]["rules"]

    assert rule["host"] == dashboards.HOST
    assert dashboards.address(8088).startswith(f"http://{dashboards.HOST}:8088/")
    assert loopback.HOST == "127.0.0.1"


def test_the_page_allows_nothing_but_its_own_files(config: dict[str, str]) -> None:
    policy = config["nginx.conf"].partition('Content-Security-Policy "')[2].partition('"')[0]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_page_knows_how_often_prometheus_scrapes(config: dict[str, str]) -> None:
    every = yaml.safe_load(config["prometheus.yml"])["global"]["scrape_interval"]

    assert every == f"{javascript('prometheus.js', 'page.SCRAPE_SECONDS')}s"


@pytest.mark.parametrize(
    ("path", "passed"),
    [
        ("/prometheus/api/v1/query", True),
        ("/prometheus/api/v1/query_range", True),
        ("/prometheus/api/v1/label/namespace/values", True),
        ("/prometheus/api/v1/status/config", False),
        ("/prometheus/api/v1/query/exemplars", False),
        ("/prometheus/debug/pprof/", False),
        ("/prometheus/", False),
    ],
)
def test_only_what_the_page_asks_is_passed_on_to_prometheus(
    config: dict[str, str],
    path: str,
    passed: bool,  # noqa: FBT001 - a table
) -> None:
    locations = re.findall(r"location (\S+) (\S+) \{[^}]*(?:\{[^}]*\}[^}]*)?proxy_pass", config["nginx.conf"])

    assert [kind for kind, _ in locations] == ["~", "="]
    assert locations[1][1] == "/prometheus/-/ready"
    assert bool(re.search(locations[0][1], path)) is passed


def test_no_website_may_read_the_answers_of_prometheus(containers: dict[str, dict[str, Any]]) -> None:
    assert "--web.cors.origin=" in containers["prometheus"]["command"]


def test_only_discovery_has_a_token_of_the_api_server(
    objects: list[dict[str, Any]], containers: dict[str, dict[str, Any]]
) -> None:
    pod = next(one for one in objects if one["kind"] == "Deployment")["spec"]["template"]["spec"]
    (token,) = [
        volume["name"]
        for volume in pod["volumes"]
        if any("serviceAccountToken" in source for source in volume.get("projected", {}).get("sources", []))
    ]

    assert pod["automountServiceAccountToken"] is False
    assert [name for name, one in containers.items() if token in {mount["name"] for mount in one["volumeMounts"]}] == [
        "discovery"
    ]


def test_a_config_map_that_is_no_dashboard_does_not_hide_the_others(config: dict[str, str]) -> None:
    dashboard = {"uid": "one", "title": "One", "panels": []}
    no_dashboards = ["no JSON", "null", "3", "[]", json.dumps(dashboard | {"title": None}), '{"uid": "two"}']
    listed = {
        "items": [
            {"metadata": {"name": "without-data"}},
            {"metadata": {"name": "null-data"}, "data": None},
            {"data": {str(number): text for number, text in enumerate(no_dashboards)}},
            {"data": {"one.json": json.dumps(dashboard)}},
        ]
    }

    done = subprocess.run(
        [installed("jq", debian.JQ), config["dashboards.jq"]],
        input=json.dumps(listed),
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert json.loads(done.stdout) == [dashboard]


def test_a_pod_starts_anew_when_its_files_change(objects: list[dict[str, Any]]) -> None:
    pod = next(one for one in objects if one["kind"] == "Deployment")["spec"]["template"]

    assert addons.DIGEST_PLACEHOLDER in pod["metadata"]["annotations"].values()
    one, other = (addons.filled(f"# {text}\n{addons.DIGEST_PLACEHOLDER}", "image") for text in ("one", "other"))
    assert one.splitlines()[1] != other.splitlines()[1]


def test_the_page_can_draw_every_panel_of_the_chart() -> None:
    every = [panel for one in shipped().values() for panel in panels(one)]

    assert {panel["type"] for panel in every} == {"timeseries", "stat"}
    units = {panel["fieldConfig"]["defaults"]["unit"] for panel in every}
    assert units <= set(javascript("format.js", "page.KNOWN"))


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.9987, "percentunit", "99.9 %"),
        (0, "percentunit", "0 %"),
        (0.0123, "s", "12.3 ms"),
        (0, "s", "0 s"),
        (4.256, "s", "4.26 s"),
        (90, "s", "90 s"),
        (1200, "s", "20 min"),
        (5400, "s", "90 min"),
        (1234567, "short", "1.23 M"),
        (3, "short", "3"),
        (2.5, "reqps", "2.5 req/s"),
        (3 * 2**20, "bytes", "3 MiB"),
        (1, "bool", "yes"),
        (0.456, "none", "0.456"),
        (0, "Bps", "0 B/s"),
        (None, "s", "-"),
    ],
)
def test_a_value_has_its_unit(value: float | None, unit: str, shown: str) -> None:
    assert javascript("format.js", f"page.formatted({json.dumps(value)}, '{unit}')") == shown


def test_a_query_has_the_values_of_its_variables() -> None:
    query = 'rate(a{n=~"$namespace",p=~"${pipeline}"}[$__rate_interval])'
    values = {"namespace": ".*", "pipeline": "speech", "__rate_interval": "20s"}

    filled = javascript("prometheus.js", f"page.filled({json.dumps(query)}, {json.dumps(values)})")

    assert filled == 'rate(a{n=~".*",p=~"speech"}[20s])'


def test_a_rate_covers_at_least_four_scrapes_and_the_distance_of_two_points() -> None:
    intervals = javascript(
        "prometheus.js", "[300, 86400].map((one) => page.builtIn(page.timeRange(one)).__rate_interval)"
    )

    assert intervals == ["20s", "365s"]


def test_a_series_is_named_by_its_labels() -> None:
    labels = {"pod": "a", "queue": "work"}

    def name(format_: str) -> Any:
        return javascript("prometheus.js", f"page.named({json.dumps(format_)}, {json.dumps(labels)})")

    assert [name("waiting for {{queue}}"), name("all"), name("")] == [
        "waiting for work",
        "all",
        '{pod="a", queue="work"}',
    ]
