"""The hooks of pre-commit run what `make lint` runs."""

import subprocess
import sys
from typing import Any

import pytest
import yaml

from repository import ROOT

pytestmark = pytest.mark.unit

CONFIG = ROOT / ".pre-commit-config.yaml"


def hooks() -> list[dict[str, Any]]:
    return [hook for repo in yaml.safe_load(CONFIG.read_text())["repos"] for hook in repo["hooks"]]


def test_pre_commit_takes_the_configuration() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-config", CONFIG], check=False, capture_output=True, text=True
    )

    assert checked.returncode == 0, checked.stdout


def test_the_hooks_run_the_commands_of_make_lint() -> None:
    shown = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "lint"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()

    commands = [line for line in shown if "local/bootstrap.py" not in line]

    assert commands
    assert [hook["entry"] for hook in hooks()] == commands


def test_the_hooks_look_at_the_whole_tree_as_make_lint_does() -> None:
    assert all(hook["always_run"] and not hook["pass_filenames"] for hook in hooks())
    assert {hook["language"] for hook in hooks()} == {"system"}
