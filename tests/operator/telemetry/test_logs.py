"""Log lines: one JSON object each."""

import json
import logging

import pytest

from speechoperator.telemetry import logs

pytestmark = pytest.mark.unit


def line(caplog: pytest.LogCaptureFixture) -> dict[str, object]:
    [record] = caplog.records
    found: dict[str, object] = json.loads(logs.JsonFormatter().format(record))
    return found


def test_fields_are_members_of_the_line(caplog: pytest.LogCaptureFixture) -> None:
    logs.warning("write rejected", kind="Service", code="forbidden")
    assert line(caplog) | {"time": ""} == {
        "time": "",
        "level": "warning",
        "message": "write rejected",
        "kind": "Service",
        "code": "forbidden",
    }


def test_the_pipeline_is_named_within_its_context(caplog: pytest.LogCaptureFixture) -> None:
    with logs.pipeline("team", "calls"):
        logs.warning("reconcile failed")
        assert line(caplog)["pipeline"] == "team/calls"


def test_an_exception_has_the_traceback_of_the_exception_being_handled(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logs.exception("reconcile failed unexpectedly")
    assert "ZeroDivisionError" in str(line(caplog)["exception"])
    assert line(caplog)["level"] == "error"


def test_an_error_has_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logs.error("failed")
    assert "exception" not in line(caplog)


def test_a_line_of_another_library_names_its_logger(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("kopf").error("failed")
    assert line(caplog)["logger"] == "kopf"
