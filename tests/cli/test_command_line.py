"""The command line: help, exit codes, and errors that say what to do."""

import argparse
import io
import sys
from pathlib import Path
from typing import Any

import pytest

from speechcli.__main__ import COMMANDS, main, parser
from speechcli.commands import status
from speechcli.errors import ClusterError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_the_cluster_and_its_exit_codes(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"kubectl speech {command}" in shown
    assert "Exit codes: 0" in shown
    for option in ("--namespace", "--context", "--kubeconfig"):
        assert option in shown


@pytest.mark.parametrize("given", [[], ["sing"], ["ask"], ["transcribe", "calls", "a.wav", "-o", "pdf"]])
def test_a_wrong_command_line_is_2(given: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(given)

    assert ended.value.code == 2


def test_an_error_says_what_happened_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: argparse.Namespace) -> int:
        raise ClusterError("no pipeline calls", "choose the namespace with -n")

    monkeypatch.setattr(status, "run", fail)

    assert main(["status", "calls"]) == 3
    assert capsys.readouterr().err == (
        "kubectl speech status: no pipeline calls\nwhat to do: choose the namespace with -n\n"
    )


def test_characters_that_the_output_does_not_have_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()

    def say(_: argparse.Namespace) -> int:
        sys.stdout.write("Grüße 你好")
        return 0

    monkeypatch.setattr(status, "run", say)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))

    assert main(["status"]) == 0
    sys.stdout.flush()
    assert written.getvalue().decode("cp1252").split() == ["Grüße", "??"]


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(status, "run", interrupted)

    assert main(["status"]) == 130


def test_ctrl_c_while_a_command_is_imported_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: str) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("speechcli.__main__.module", interrupted)

    assert main(["status"]) == 130


def test_the_two_bounds_of_a_load_test_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        parser("bench").parse_args(["calls", "--audio", str(tmp_path), "--requests", "1", "--duration", "2"])
