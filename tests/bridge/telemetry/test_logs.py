"""Log lines: one JSON object each, with the fields of the call."""

import io
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator

import pytest

from speechbridge.telemetry import logs

pytestmark = pytest.mark.unit


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    formatter = logs.JsonFormatter()
    return [json.loads(formatter.format(record)) for record in caplog.records]


@pytest.mark.parametrize(
    ("log", "level"),
    [(logs.debug, "debug"), (logs.info, "info"), (logs.warning, "warning"), (logs.error, "error")],
)
def test_a_line_has_time_level_message_and_fields(
    caplog: pytest.LogCaptureFixture, log: Callable[..., None], level: str
) -> None:
    caplog.set_level(logging.DEBUG)

    log("listening", port=8080, host="::")

    (line,) = lines(caplog)
    assert list(line) == ["time", "level", "message", "port", "host"]
    assert (line["level"], line["message"], line["port"], line["host"]) == (level, "listening", 8080, "::")


def test_a_line_has_the_id_of_its_request(caplog: pytest.LogCaptureFixture) -> None:
    logs.info("request")

    assert "request_id" not in lines(caplog)[0]
    token = logs.request_id.set("call-42")
    assert lines(caplog)[0]["request_id"] == "call-42"
    logs.request_id.reset(token)


def test_a_line_of_another_library_names_its_logger(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("aiohttp.server").warning("slow")

    assert lines(caplog)[0]["logger"] == "aiohttp.server"


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logs as `python -m speechbridge` writes them; as they were, afterwards."""
    names = ("_srcfile", "logThreads", "logProcesses", "logMultiprocessing")
    for name in names:
        monkeypatch.setattr(logging, name, getattr(logging, name))
    handlers, level = logging.root.handlers[:], logging.root.level
    logs.configure("info")
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.mark.usefixtures("configured")
def test_the_bridge_writes_its_lines_as_the_formatter_does(capsys: pytest.CaptureFixture[str]) -> None:
    logging.root.handlers[0].setStream(sys.stderr)  # type: ignore[attr-defined]  # the one that is captured
    token = logs.request_id.set("call-42")
    logs.info("request", status=200, outcome="ok")
    logs.logger.info("request", extra={"fields": {"status": 200, "outcome": "ok"}})
    logs.request_id.reset(token)

    written = capsys.readouterr().err.splitlines()
    time = re.compile(r'"time": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"')
    assert [time.sub("", line, count=1) for line in written] == [
        '{, "level": "info", "message": "request", "request_id": "call-42", "status": 200, "outcome": "ok"}'
    ] * 2


@pytest.mark.usefixtures("configured")
def test_a_line_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    logging.root.handlers[0].setStream(sys.stderr)  # type: ignore[attr-defined]
    logging.root.setLevel(logging.WARNING)

    logs.info("request")

    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("configured")
def test_a_closed_stderr_fails_no_request() -> None:
    closed = io.StringIO()
    closed.close()
    logging.root.handlers[0].setStream(closed)  # type: ignore[attr-defined]

    logs.info("request")
