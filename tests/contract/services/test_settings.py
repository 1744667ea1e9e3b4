"""Settings are environment variables with the same names, forms and messages in all services."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

if TYPE_CHECKING:
    from pathlib import Path

    from contract.services.programs import Program

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _unset(service: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in service.settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_it_listens_on_all_addresses_by_default(service: Program) -> None:
    assert service.settings().server_host == "::"


def test_its_port_is_set_by_the_same_variable(service: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_PORT", "8123")

    assert service.settings().server_port == 8123


def test_it_logs_from_level_info_by_default(service: Program) -> None:
    assert service.settings().log_level == "info"


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_the_log_level_is_accepted_in_any_letter_case(
    service: Program, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for written in (level, level.upper(), level.title()):
        monkeypatch.setenv("LOG_LEVEL", written)

        assert service.settings().log_level == level


@pytest.mark.parametrize("value", ["verbose", "WARN", "10"])
def test_another_log_level_is_rejected_with_the_accepted_ones(
    service: Program, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", value)

    with pytest.raises(ValidationError, match="'debug', 'info', 'warning' or 'error'"):
        service.settings()


def test_the_settings_are_frozen(service: Program) -> None:
    settings = service.settings()

    with pytest.raises(ValidationError, match="frozen"):
        settings.server_port = 1


def test_wrong_settings_are_named_with_their_values_and_the_exit_status_is_2(service: Program, tmp_path: Path) -> None:
    ended = service.run(tmp_path, *service.arguments, SERVER_PORT="many", LOG_LEVEL="verbose")

    assert (ended.returncode, ended.stdout) == (2, "")
    port, level = sorted(ended.stderr.splitlines(), reverse=True)
    assert port.startswith("SERVER_PORT: Input should be a valid integer")
    assert port.endswith("(got 'many')")
    assert level.startswith("LOG_LEVEL: Input should be 'debug', 'info', 'warning' or 'error'")
    assert level.endswith("(got 'verbose')")


def test_help_lists_every_setting_with_its_description_and_default(
    service: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        service.module("__main__").main(["--help"])

    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: python -m {service.package} ")
    assert "\nsettings (environment variables):\n" in shown
    for name, field in service.settings.model_fields.items():
        assert f"\n  {name.upper()}\n      {field.description}" in shown
    assert "\n  LOG_LEVEL\n      minimum log level (default: info)\n" in shown


def test_an_unknown_option_shows_the_usage_and_the_exit_status_is_2(
    service: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        service.module("__main__").main([*service.arguments, "--port=1"])

    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"usage: python -m {service.package}")
    assert "--port=1" in shown.err


def test_every_setting_has_a_description_in_the_same_form(service: Program) -> None:
    for name, field in service.settings.model_fields.items():
        assert field.description, name
        first = field.description.split()[0]
        assert first[0].islower() or first.isupper(), name
        assert not field.description.endswith("."), name
