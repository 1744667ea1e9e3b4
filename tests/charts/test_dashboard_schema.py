"""The dashboards are of the type that Grafana's own code gives them: TypeScript checks it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from charts.panels import dashboards
from contract.conftest import or_missing
from speechlocal import client_packages

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.component

TYPES = "@grafana/schema/dist/esm/raw/dashboard/x/dashboard_types.gen"
OPTIONS = ("--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "node")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which TypeScript finds Grafana's schema."""
    with or_missing("schema of Grafana"):
        (tmp_path / "node_modules").symlink_to(client_packages.node_modules())
    return tmp_path


def checked(folder: Path, boards: dict[str, object]) -> str:
    """What TypeScript says of dashboards; empty if they are right."""
    for name, board in boards.items():
        source = f'import type {{ Dashboard }} from "{TYPES}";\nexport const board: Dashboard = {json.dumps(board)};\n'
        (folder / f"{name}.ts").write_text(source)
    command = ["node", "node_modules/typescript/bin/tsc", *OPTIONS, *(f"{name}.ts" for name in boards)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120).stdout


def test_every_dashboard_is_of_grafanas_type(folder: Path) -> None:
    boards = dashboards()
    for board in boards.values():
        for one in board["annotations"].get("list", ()):
            del one["expr"]  # Grafana reads it, but its schema has only the queries of its own annotations

    assert checked(folder, dict(boards)) == ""


def test_another_shape_is_not(folder: Path) -> None:
    (name, board), *_ = dashboards().items()

    assert "fieldConfigs" in checked(folder, {name: {**board, "panels": [{"type": "stat", "fieldConfigs": {}}]}})
