"""Logs are one JSON object per line, with the same members in all services."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

    from contract.services.programs import Process, Program

pytestmark = pytest.mark.unit

LEVELS = ("debug", "info", "warning", "error")


@pytest.fixture
def logs(service: Program) -> ModuleType:
    return service.module("telemetry.logs")


@pytest.fixture(autouse=True)
def _every_level(service: Program, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, service.package)
    logging.getLogger(service.package).disabled = False


def written(logs: ModuleType, caplog: pytest.LogCaptureFixture) -> str:
    """The line of the only record."""
    (record,) = caplog.records
    text: str = logs.JsonFormatter().format(record)
    return text


@pytest.mark.parametrize("level", LEVELS)
def test_a_line_has_time_level_message_and_the_fields(
    logs: ModuleType, caplog: pytest.LogCaptureFixture, level: str
) -> None:
    getattr(logs, level)("listening", host="::", port=8080)

    line = json.loads(written(logs, caplog))
    assert list(line) == ["time", "level", "message", "host", "port"]
    assert list(line.values())[1:] == [level, "listening", "::", 8080]
    assert datetime.fromisoformat(line["time"]).utcoffset() is not None


@pytest.mark.parametrize("text", ["two\nlines", "separated\u2028lines", "separated\u0085lines", "a\rb", "\x00", "ü"])
def test_a_record_is_one_line(logs: ModuleType, caplog: pytest.LogCaptureFixture, text: str) -> None:
    logs.info(text, field=text)

    line = written(logs, caplog)
    assert line.splitlines() == [line]
    assert json.loads(line)["message"] == json.loads(line)["field"] == text


def test_an_exception_is_a_member_of_the_line_with_its_stack_trace(
    logs: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logs.exception("unexpected error", route="/one")

    text = written(logs, caplog)
    line = json.loads(text)
    assert text.splitlines() == [text]
    assert (line["level"], line["message"], line["route"]) == ("error", "unexpected error", "/one")
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ZeroDivisionError")


def test_an_error_has_no_stack_trace(logs: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logs.error("failed")  # noqa: TRY400 - that is what is tested

    assert "exception" not in json.loads(written(logs, caplog))


def test_a_field_that_is_no_json_is_written_as_text(logs: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    logs.info("failed", error=ValueError("why"))

    assert json.loads(written(logs, caplog))["error"] == "why"


def test_a_line_of_a_library_names_its_logger(logs: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("asyncio").warning("slow")

    assert json.loads(written(logs, caplog))["logger"] == "asyncio"


def test_the_process_logs_its_address_as_json(running: Process) -> None:
    running.said("listening")

    for line in running.lines:
        assert list(line)[:3] == ["time", "level", "message"]
        assert line["level"] in LEVELS
    started: dict[str, Any] = running.said("listening")
    assert started["level"] == "info"
    assert started["port"] > 0
