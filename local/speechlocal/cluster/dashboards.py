"""The page that draws the chart's dashboards from the cluster's Prometheus: its files, as a ConfigMap."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from speechlocal import locks, node_packages, paths

if TYPE_CHECKING:
    from pathlib import Path

    from speechlocal.progress import Report

HOST = "dashboards.localhost"
NAMESPACE = "monitoring"
PAGE = paths.CLUSTER / "dashboards"
SUFFIXES = frozenset({".html", ".css", ".js"})
CONFIG_MAP = "dashboards-page"
LIBRARY = ("uPlot.iife.min.js", "uPlot.min.css")
"""The files of uPlot, which draws the charts; `package.json` beside the page pins its version."""
WITHOUT_LIBRARY = "for the dashboards, install Node with npm, let npm reach its registry, then make cluster"
NPM_OPTIONS = ("--fetch-timeout=20000", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")
"""npm gives up on a registry that does not answer in less than a minute; by default in a quarter of an hour."""


def config_map() -> dict[str, Any]:
    """Return the ConfigMap of the page; if the library is not installed it lacks that, and the page says so."""
    files = [file for file in sorted(PAGE.iterdir()) if file.suffix in SUFFIXES]
    if has_library():
        files += [_dist() / name for name in LIBRARY]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP, "namespace": NAMESPACE},
        "data": {file.name: file.read_text(encoding="utf-8") for file in files},
    }


def has_library() -> bool:
    """Return whether the library is installed."""
    return (_folder() / node_packages.COMPLETE).is_file()


def address(port: int) -> str:
    """Return where the dashboards are; without the library where Prometheus is, and how to get the dashboards."""
    url = f"http://{HOST}:{port}/"
    if has_library():
        return url
    return f"{url}prometheus/api/v1/query?query=up   ({WITHOUT_LIBRARY})"


def install_library(report: Report) -> None:
    """Install the library into the cache unless it is there; raise LocalError if npm is missing or fails."""
    with locks.held(paths.cache() / "uplot.lock", lambda: report("waiting for another process")):
        node_packages.install(PAGE, _folder(), *NPM_OPTIONS)


def _folder() -> Path:
    return paths.cache() / f"uplot-{hashlib.sha256((PAGE / 'package-lock.json').read_bytes()).hexdigest()[:12]}"


def _dist() -> Path:
    return _folder() / "node_modules" / "uplot" / "dist"
