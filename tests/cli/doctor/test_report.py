"""The report: each verdict on a line, with its fix, and what they come to."""

import io

import pytest
from rich.console import Console

from speechcli.doctor.report import as_json, show, summary
from speechcli.doctor.verdicts import fault, ok, unchecked, warning

pytestmark = pytest.mark.unit

VERDICTS = [
    ok("gpu", "2 of 2 free"),
    fault("storage", "PVC [x] is Pending", "kubectl describe pvc x"),
    warning("dns", "an old record"),
    unchecked("tls", "secrets is forbidden"),
]


def shown(*, quiet: bool = False) -> list[str]:
    out = io.StringIO()
    show(Console(file=out, width=60), VERDICTS, quiet=quiet)
    return out.getvalue().splitlines()


def test_a_fix_is_below_its_verdict() -> None:
    assert shown() == [
        "✓ gpu      2 of 2 free",
        "✗ storage  PVC [x] is Pending",
        "           -> kubectl describe pvc x",
        "! dns      an old record",
        "? tls      not checked: secrets is forbidden",
        "1 fault, 1 warning, 1 check not possible, 1 ok",
    ]


def test_quiet_leaves_out_what_is_ok() -> None:
    assert not any("gpu" in line for line in shown(quiet=True))


def test_nothing_wrong_is_said_in_words() -> None:
    assert summary([ok("gpu", "free")] * 3) == "nothing is wrong: 3 ok"


def test_json_has_level_and_fix() -> None:
    assert as_json(VERDICTS)["verdicts"][1] == {
        "area": "storage",
        "level": "fault",
        "message": "PVC [x] is Pending",
        "fix": "kubectl describe pvc x",
    }
