"""Text from elsewhere cannot control the terminal."""

import argparse
import json

import pytest
from rich.text import Text

from speechcli.__main__ import main
from speechcli.commands import status
from speechcli.control_characters import json_text, printable
from speechcli.doctor.report import show as show_report
from speechcli.doctor.verdicts import fault
from speechcli.errors import RequestError
from speechcli.load_output import show as show_load
from speechcli.load_report import Outcome, report
from speechcli.pipeline import state
from speechcli.status_view import view
from speechcli.terminal import SafeConsole, TextStream

pytestmark = pytest.mark.unit

HOSTILE = "\x1b]52;c;cm0gLXJm\x9b2J\x7f\udce4[red]said[/]"
HARMLESS = "�]52;c;cm0gLXJm�2J��[red]said[/]"


def test_newlines_tabs_and_letters_stay() -> None:
    assert printable("Grüße\n\t你好") == "Grüße\n\t你好"
    assert printable(HOSTILE) == HARMLESS


def test_json_is_the_same_value_without_control_characters() -> None:
    written = json_text({"text": HOSTILE})

    assert json.loads(written) == {"text": HOSTILE}
    assert not set(written) & set(HOSTILE) & set("\x1b\x9b\x7f\udce4")


def test_what_the_commands_print_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    condition = {"type": "Ready", "status": "False", "reason": "Said", "message": HOSTILE}
    pipeline = {"metadata": {"name": "calls"}, "status": {"conditions": [condition]}}
    console = SafeConsole()

    console.print(view([state(pipeline)], bars=False), soft_wrap=True)
    show_report(console, [fault("pods", HOSTILE, HOSTILE)])
    show_load(console, report([Outcome(1, error="x", explanation=HOSTILE)], concurrency=1, wall_s=1), HOSTILE)
    transcript = TextStream(console)
    transcript.add(HOSTILE)
    transcript.end()

    printed = capsys.readouterr().out
    assert printed.count(HARMLESS) >= 5
    assert not set(printed) & set("\x1b\x9b\x7f")


def test_the_console_keeps_its_own_colours(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")

    SafeConsole().print(Text("\x1bsaid", "red"))

    assert capsys.readouterr().out == "\x1b[31m�said\x1b[0m\n"


def test_errors_are_harmless(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: argparse.Namespace) -> int:
        raise RequestError("said", HOSTILE)

    monkeypatch.setattr(status, "run", fail)
    main(["status"])

    assert HARMLESS in capsys.readouterr().err
